"""Laws of groups, distributions, confidence labels and conformal sets, for any input."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.confidence_labels import ConfidenceLabels, from_groups
from models.conformal import LEVELS, fit_conformal, prediction_sets
from models.distribution import Temperature, class_probabilities, group_probabilities, softmax
from models.groups import GroupsError, SimilarityGroups

CLASSES = "abcdefg"
temperatures = st.floats(0.05, 20)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def overlapping(draw: st.DrawFn) -> SimilarityGroups:
    size = draw(st.integers(1, 7))
    membership = draw(st.lists(st.lists(st.booleans(), min_size=size, max_size=size), min_size=size, max_size=size))
    return SimilarityGroups(CLASSES[:size], np.array(membership, dtype=bool) | np.eye(size, dtype=bool))


@st.composite
def partitions(draw: st.DrawFn) -> SimilarityGroups:
    size = draw(st.integers(1, 7))
    block = np.array(draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)))
    return SimilarityGroups(CLASSES[:size], block[:, None] == block)


def logits_for(groups: SimilarityGroups, seed: int, scale: float = 4.0, n: int = 5) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(scale=scale, size=(n, len(groups.classes)))


def permuted(groups: SimilarityGroups, order: NDArray[Any]) -> SimilarityGroups:
    return SimilarityGroups([groups.classes[k] for k in order], groups.membership[np.ix_(order, order)])


@given(overlapping(), seeds)
@settings(deadline=None)
def test_group_mass_is_the_sum_over_its_members(groups: SimilarityGroups, seed: int) -> None:
    """The mass of a class's group is the sum of its members' probabilities, at least the class's own."""
    p = softmax(logits_for(groups, seed))
    masses = group_probabilities(p, groups)
    np.testing.assert_allclose(masses, p @ groups.membership.T)
    for a, members in enumerate(groups.members()):
        np.testing.assert_allclose(masses[:, a], sum(p[:, groups.classes.index(name)] for name in members))
    assert (masses >= p - 1e-12).all()
    assert (masses <= 1 + 1e-12).all()


@given(partitions(), seeds, temperatures, temperatures, st.sampled_from([1.0, 30.0, 500.0]))
@settings(deadline=None)
def test_probabilities_are_a_distribution(
    groups: SimilarityGroups, seed: int, group: float, within: float, scale: float
) -> None:
    """Whatever the temperatures and however large the logits, every row is finite, non-negative and sums to 1."""
    p = class_probabilities(logits_for(groups, seed, scale), groups, Temperature(group=group, within=within))
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)


@given(partitions(), seeds, temperatures, temperatures)
@settings(deadline=None)
def test_two_temperatures_are_group_times_member(
    groups: SimilarityGroups, seed: int, group: float, within: float
) -> None:
    """P(class) is P(group) at the group temperature times P(class | group) at the temperature within."""
    logits = logits_for(groups, seed)
    p = class_probabilities(logits, groups, Temperature(group=group, within=within))
    outer, inner = np.exp(logits / group), np.exp((logits - logits.max(axis=1, keepdims=True)) / within)
    for a in range(len(groups.classes)):
        members = groups.membership[a]
        mass = outer[:, members].sum(axis=1) / outer.sum(axis=1)
        # The exponentials of a group far below the top class may all underflow; the product is then judged by its mass.
        total = inner[:, members].sum(axis=1)
        sound = total > 1e-280
        np.testing.assert_allclose(p[sound, a], (mass * inner[:, a])[sound] / total[sound], rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(p[:, members].sum(axis=1), mass, rtol=1e-6)


@given(overlapping(), seeds, temperatures)
@settings(deadline=None)
def test_equal_temperatures_are_plain_scaling(groups: SimilarityGroups, seed: int, value: float) -> None:
    """One temperature for both levels is ordinary temperature scaling, overlapping groups or not."""
    logits = logits_for(groups, seed)
    p = class_probabilities(logits, groups, Temperature.single(value))
    np.testing.assert_array_equal(p, softmax(logits / value))
    assert (p.argmax(axis=1) == logits.argmax(axis=1)).all()


@given(partitions(), seeds, temperatures)
@settings(deadline=None)
def test_nearly_equal_temperatures_are_nearly_plain(groups: SimilarityGroups, seed: int, value: float) -> None:
    """Nothing jumps where two temperatures meet: a hair's breadth apart, they give ordinary scaling."""
    logits = logits_for(groups, seed)
    p = class_probabilities(logits, groups, Temperature(group=value, within=value * (1 + 1e-9)))
    np.testing.assert_allclose(p, softmax(logits, value), atol=1e-6)


@given(partitions(), seeds, temperatures, temperatures, temperatures)
@settings(deadline=None)
def test_temperature_within_leaves_groups_alone(
    groups: SimilarityGroups, seed: int, group: float, first: float, second: float
) -> None:
    """The temperature within a group changes neither the groups' masses nor which group is on top."""
    logits = logits_for(groups, seed)
    masses = [
        group_probabilities(class_probabilities(logits, groups, Temperature(group=group, within=within)), groups)
        for within in (first, second)
    ]
    np.testing.assert_allclose(masses[0], masses[1], rtol=1e-9)
    best = masses[1].max(axis=1)
    np.testing.assert_allclose(masses[1][np.arange(len(logits)), masses[0].argmax(axis=1)], best, rtol=1e-9)


@given(partitions(), seeds, temperatures, temperatures)
@settings(deadline=None)
def test_the_order_of_classes_does_not_matter(groups: SimilarityGroups, seed: int, group: float, within: float) -> None:
    """Classes in another order get the same probabilities and the same group masses, in that order."""
    logits = logits_for(groups, seed)
    order = np.random.default_rng(seed).permutation(len(groups.classes))
    temperature = Temperature(group=group, within=within)
    p = class_probabilities(logits, groups, temperature)
    q = class_probabilities(logits[:, order], permuted(groups, order), temperature)
    np.testing.assert_allclose(q, p[:, order], rtol=1e-9)
    np.testing.assert_allclose(
        group_probabilities(q, permuted(groups, order)), group_probabilities(p, groups)[:, order], rtol=1e-9
    )


@given(overlapping(), seeds)
@settings(deadline=None)
def test_two_temperatures_are_refused_without_a_partition(groups: SimilarityGroups, seed: int) -> None:
    """Overlapping groups have no distribution of their own, so two temperatures are refused there."""
    assume(not groups.is_partition)
    with pytest.raises(ValueError, match="partition"):
        class_probabilities(logits_for(groups, seed), groups, Temperature(group=1, within=2))


@given(st.integers(1, 60), st.integers(1, 6), seeds)
@settings(deadline=None)
def test_prediction_sets_are_never_empty_and_grow_with_the_level(n: int, size: int, seed: int) -> None:
    """A higher level never drops a class from a set, and no set is ever empty."""
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(scale=3, size=(n, size)))
    quantiles = fit_conformal(p, rng.integers(0, size, n))
    fresh = softmax(rng.normal(scale=3, size=(20, size)))
    before = np.zeros_like(fresh, dtype=bool)
    for level in (0.01, *LEVELS, 1.0):
        nominal, threshold = quantiles.threshold(level)
        assert nominal >= level
        sets = prediction_sets(fresh, threshold)
        assert sets.any(axis=1).all()
        assert (sets >= before).all()
        assert sets[np.arange(20), fresh.argmax(axis=1)].all()
        before = sets
    assert before.all()  # at level 1 nothing can be left out


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_prediction_sets_cover_as_promised(seed: int) -> None:
    """On data exchangeable with the calibration samples, sets hold the truth as often as said, even a bad model's."""
    rng = np.random.default_rng(seed)
    n, fresh, size = 2000, 20_000, 5
    truth = rng.integers(0, size, n + fresh)
    p = softmax(rng.normal(scale=2, size=(n + fresh, size)) + 1.5 * np.eye(size)[truth])
    quantiles = fit_conformal(p[:n], truth[:n])
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        nominal, threshold = quantiles.threshold(level)
        assert nominal == level
        covered = prediction_sets(p[n:], threshold)[np.arange(fresh), truth[n:]].mean()
        # Coverage given the calibration sample is Beta distributed; 5 standard deviations of both together.
        slack = 5 * np.sqrt(level * (1 - level) * (1 / n + 1 / fresh))
        assert covered > level - slack
        if level >= 0.8:  # below, the top class is in sets whose level does not ask for it
            assert covered < level + slack + 1 / n


@given(overlapping(), st.floats(0.01, 1), st.floats(0.01, 1))
@settings(deadline=None)
def test_confidence_labels_are_distributions_over_the_group(
    groups: SimilarityGroups, untrusted: float, trusted: float
) -> None:
    """Each label sums to 1, has the asked share on its own class, the rest evenly in the group, nothing outside."""
    labels = from_groups(groups, own_untrusted=untrusted, own_trusted=trusted)
    for matrix, own in ((labels.untrusted_matrix, untrusted), (labels.trusted_matrix, trusted)):
        np.testing.assert_allclose(matrix.sum(axis=1), 1)
        assert not matrix[~groups.membership].any()
        for a, members in enumerate(groups.membership):
            mates = members.copy()
            mates[a] = False
            assert matrix[a, a] == (own if mates.any() else 1)
            np.testing.assert_allclose(matrix[a, mates], (1 - own) / max(mates.sum(), 1))


@given(overlapping())
@settings(deadline=None)
def test_confidence_labels_round_trip(groups: SimilarityGroups) -> None:
    """A confidence-label file gives back the very numbers that were written."""
    labels = from_groups(groups)
    assert ConfidenceLabels.model_validate_json(labels.model_dump_json()) == labels


@given(overlapping())
@settings(deadline=None)
def test_groups_round_trip_through_members(groups: SimilarityGroups) -> None:
    """The manifest's list of each class's group gives back the same groups, overlapping and one-sided ones too."""
    again = SimilarityGroups.from_members(groups.classes, groups.members())
    np.testing.assert_array_equal(again.membership, groups.membership)
    assert all(name in group for name, group in zip(groups.classes, groups.members(), strict=True))


@given(partitions())
@settings(deadline=None)
def test_partitions_round_trip_through_lists(groups: SimilarityGroups) -> None:
    """A groups file gives back the same partition, lone classes included."""
    again = SimilarityGroups.from_lists(groups.classes, groups.as_lists())
    np.testing.assert_array_equal(again.membership, groups.membership)


@given(st.lists(st.sets(st.sampled_from(CLASSES), min_size=1), max_size=5))
@settings(deadline=None)
def test_a_class_s_group_is_the_union_of_its_lists(lists: list[set[str]]) -> None:
    """``G_a`` is ``a`` and everything in the lists that name ``a``."""
    groups = SimilarityGroups.from_lists(CLASSES, lists)
    for a, members in zip(CLASSES, groups.members(), strict=True):
        assert set(members) == {a}.union(*(each for each in lists if a in each))


@given(overlapping())
@settings(deadline=None)
def test_distinct_groups_are_each_group_once(groups: SimilarityGroups) -> None:
    """Every class's group is listed exactly once, and the list is disjoint exactly for a partition."""
    distinct = [frozenset(group) for group in groups.distinct()]
    of_class = [frozenset(np.flatnonzero(row).tolist()) for row in groups.membership]
    assert len(set(distinct)) == len(distinct)
    assert set(distinct) == set(of_class)
    disjoint = all(a == b or not a & b for a in of_class for b in of_class)
    assert groups.is_partition == disjoint


@given(partitions())
@settings(deadline=None)
def test_partitions_are_recognised(groups: SimilarityGroups) -> None:
    """Disjoint groups are known as a partition, singletons among them."""
    assert groups.is_partition
    assert SimilarityGroups.singletons(groups.classes).is_partition


@pytest.mark.parametrize(
    ("lists", "message"),
    [([["a", "z"]], "names 'z'"), ([["a", "a"]], "twice")],
)
def test_wrong_groups_are_refused_by_name(lists: list[list[str]], message: str) -> None:
    """A group with an unknown class, or with one class twice, is refused and the class named."""
    with pytest.raises(GroupsError, match=message):
        SimilarityGroups.from_lists("abc", lists)
