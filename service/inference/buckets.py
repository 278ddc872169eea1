"""Batch sizes that a GPU runs: few and known, so that all are tried before the first request.

cuDNN picks its algorithms, and memory is had, once for each size; with dynamic batches that would happen to requests.
"""

from bisect import bisect_left


def bucket_sizes(largest: int) -> tuple[int, ...]:
    """The powers of two below ``largest``, and ``largest``."""
    return (*(1 << i for i in range((largest - 1).bit_length())), largest)


def bucket_of(images: int, buckets: tuple[int, ...]) -> int:
    """The smallest bucket that holds them; there must be one."""
    return buckets[bisect_left(buckets, images)]
