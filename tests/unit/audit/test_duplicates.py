"""Clusters of equal and nearly equal images, against a slow transcription and as a user counts them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audit.duplicates import Duplicates, find_duplicates
from models.perceptual_hash import LENGTH, NEAR, TABLES, cells, describe

Rows = tuple[NDArray[np.uint64], NDArray[np.int16], NDArray[np.int64]]


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Up to 24 rows: a few scenes, of each some images at distances about ``NEAR``, of each some copies."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(0, 24))
    scenes = rng.integers(-4000, 4000, (3, LENGTH))
    scenes[:, 0] = 4000  # not blank
    spread = draw(st.sampled_from([0, NEAR // 3, NEAR]))
    images = scenes[rng.integers(0, 3, 12)] + rng.normal(0, spread / np.sqrt(LENGTH), (12, LENGTH)).astype(int)
    names = rng.permutation(1000)[:12].astype(np.uint64)
    of_row = rng.integers(0, 12, n)
    return names[of_row], images[of_row].astype(np.int16), rng.integers(0, 3, n)


def slow_clusters(hashes: NDArray[np.uint64], descriptors: NDArray[np.int16]) -> list[set[int]]:
    """Grow clusters row by row, comparing all pairs."""

    def alike(i: int, j: int) -> bool:
        near = np.linalg.norm(descriptors[i].astype(float) - descriptors[j]) <= NEAR
        both = descriptors[[i, j]]
        return bool(
            hashes[i] == hashes[j]
            or (near and any(len(set(cells(both, table).tolist())) == 1 for table in range(TABLES)))
        )

    clusters = [{i} for i in range(len(hashes))]
    for i, j in combinations(range(len(hashes)), 2):
        if alike(i, j):
            of_i, of_j = (next(each for each in clusters if row in each) for row in (i, j))
            if of_i is not of_j:
                clusters.remove(of_j)
                of_i |= of_j
    return sorted((each for each in clusters if len(each) > 1), key=min)


@settings(deadline=None)
@given(rows())
def test_clusters_are_those_of_comparing_all_pairs(drawn: Rows) -> None:
    """Clusters, their numbers, conflicts and counts are those of a comparison of every pair."""
    hashes, descriptors, labels = drawn
    found = find_duplicates(*drawn)
    clusters = slow_clusters(hashes, descriptors)
    cluster = np.full(len(hashes), -1)
    conflict = np.zeros(len(hashes), dtype=bool)
    for number, members in enumerate(clusters):
        cluster[list(members)] = number
        conflict[list(members)] = len(set(labels[list(members)])) > 1
    np.testing.assert_array_equal(found.cluster, cluster)
    np.testing.assert_array_equal(found.conflict, conflict)
    near = [members for members in clusters if len(set(hashes[list(members)])) > 1]
    _, copies = np.unique(hashes, return_counts=True)
    assert found.to_json() == {
        "exact": {"clusters": (copies > 1).sum(), "rows": copies[copies > 1].sum()},
        "near": {"clusters": len(near), "rows": sum(map(len, near))},
        "conflicting": {"clusters": len(set(cluster[conflict])), "rows": conflict.sum()},
    }


@settings(deadline=None)
@given(rows(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_only_changes_numbers(drawn: Rows, random: object) -> None:
    """Whatever the order of the rows, the same rows are together, and the counts are the same."""
    order = np.arange(len(drawn[0]))
    random.shuffle(order)  # type: ignore[attr-defined]
    first, second = find_duplicates(*drawn), find_duplicates(*(each[order] for each in drawn))
    together = first.cluster[order][:, None] == first.cluster[order]
    np.testing.assert_array_equal(second.cluster[:, None] == second.cluster, together)
    np.testing.assert_array_equal(second.conflict, first.conflict[order])
    assert second.to_json() == first.to_json()


def test_equal_pixels_are_found_without_descriptors() -> None:
    """With hashes alone, images that are equal to the bit are found."""
    hashes = np.array([5, 7, 5, 9, 7, 5], dtype=np.uint64)
    found = find_duplicates(hashes, np.empty((6, 0), dtype=np.int16), np.array([1, 2, 1, 3, 0, 1]))
    np.testing.assert_array_equal(found.cluster, [0, 1, 0, -1, 1, 0])
    np.testing.assert_array_equal(found.conflict, [False, True, False, False, True, False])
    assert found.to_json() == {
        "exact": {"clusters": 2, "rows": 5},
        "near": {"clusters": 0, "rows": 0},
        "conflicting": {"clusters": 1, "rows": 2},
    }


def test_a_heap_of_blank_images_is_one_cluster() -> None:
    """Twenty thousand blank pictures with some noise are one cluster, and their labels are no contradiction."""
    rng = np.random.default_rng(0)
    blank = np.clip(rng.normal(128, 2, (20_000, 28, 28, 1)), 0, 255).astype(np.uint8)
    found = find_duplicates(np.arange(20_000, dtype=np.uint64), describe(blank), np.arange(20_000) % 7)
    assert found.to_json()["near"] == {"clusters": 1, "rows": 20_000}
    assert not found.conflict.any()


def test_a_long_chain_is_one_cluster() -> None:
    """A film whose frames differ a little from one to the next is one cluster, however long it is."""
    film = np.zeros((3000, LENGTH), dtype=np.int16)
    film[:, 0] = 4000
    film[:, 1] = np.arange(3000) * 10 - 15_000
    found = find_duplicates(np.random.default_rng(0).permutation(3000).astype(np.uint64), film, np.arange(3000) % 2)
    assert (found.near_clusters, found.near_rows, found.conflict.all()) == (1, 3000, True)


@pytest.mark.parametrize("found", [Duplicates.none(0), Duplicates.none(3)])
def test_without_images_there_are_none(found: Duplicates) -> None:
    """Where rows have no images, no count is above zero and no row is in a cluster."""
    assert {value for counts in found.to_json().values() for value in counts.values()} == {0}
    assert not found.conflict.any()
    assert (found.cluster == -1).all()
