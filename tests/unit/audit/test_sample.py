import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.sample import chosen, row_hash


def test_few_rows_are_all_looked_at() -> None:
    """A file no larger than the limit is fitted on whole."""
    assert chosen(np.arange(500), 500, limit=500).all()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 700))
def test_the_sample_does_not_depend_on_the_cut(total: int, limit: int, size: int) -> None:
    """Cut into chunks of any size, the same rows of the file are chosen."""
    whole = chosen(np.arange(total), total, limit)
    chunks = [chosen(np.arange(start, min(start + size, total)), total, limit) for start in range(0, total, size)]
    assert np.array_equal(np.concatenate(chunks), whole)


def test_the_sample_has_the_size_asked_for_in_every_stretch() -> None:
    """A tenth of a million rows is a tenth of each tenth, within five standard deviations."""
    picked = chosen(np.arange(1_000_000), 1_000_000, 100_000).reshape(10, -1).sum(axis=1)
    assert np.abs(picked - 10_000).max() < 5 * np.sqrt(10_000 * 0.9)


def test_rows_far_apart_have_hashes_of_their_own() -> None:
    """Row numbers up to those of files that no machine holds hash without collision or complaint."""
    rows = np.concatenate([np.arange(1000), np.arange(1000) + 2**62])
    assert len(np.unique(row_hash(rows))) == 2000
