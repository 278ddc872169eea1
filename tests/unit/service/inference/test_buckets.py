"""The batch sizes that a GPU runs: few, and one for each batch."""

from hypothesis import given
from hypothesis import strategies as st

from service.inference.buckets import bucket_of, bucket_sizes


def test_buckets_are_powers_of_two_up_to_the_largest_batch() -> None:
    """The sizes are those of the documentation, for largest batches that are powers of two and others."""
    assert bucket_sizes(1) == (1,)
    assert bucket_sizes(2) == (1, 2)
    assert bucket_sizes(3) == (1, 2, 3)
    assert bucket_sizes(32) == (1, 2, 4, 8, 16, 32)
    assert bucket_sizes(33) == (1, 2, 4, 8, 16, 32, 33)
    assert bucket_sizes(48) == (1, 2, 4, 8, 16, 32, 48)


@given(st.integers(1, 1024).flatmap(lambda largest: st.tuples(st.just(largest), st.integers(1, largest))))
def test_every_batch_fits_with_less_than_half_the_bucket_empty(batch: tuple[int, int]) -> None:
    """For every batch up to the largest there is a bucket, and its images are more than half of what runs."""
    largest, images = batch
    buckets = bucket_sizes(largest)
    assert list(buckets) == sorted(set(buckets))
    assert images <= bucket_of(images, buckets) < 2 * images
    assert len(buckets) <= 11
