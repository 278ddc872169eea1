"""The rows that a fit looks at: chosen by a hash of their number, however the file is cut."""

import numpy as np
from numpy.typing import NDArray

LIMIT = 100_000


def chosen(rows: NDArray[np.integer], total: int, limit: int = LIMIT) -> NDArray[np.bool_]:
    """Say for each row number ``[n]`` whether it is in the sample of about ``limit`` of ``total`` rows."""
    if total <= limit:
        return np.ones(len(rows), dtype=bool)
    mask: NDArray[np.bool_] = row_hash(rows) < np.uint64(limit / total * 2**64)
    return mask


def row_hash(rows: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return 64 well-mixed bits for each row number (SplitMix64; Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        bits = (rows.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = bits ^ (bits >> np.uint64(31))
    return mixed
