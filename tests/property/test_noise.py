"""Label noise and the trusted set: exact counts, seeded, and each protocol as the experiments describe it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.groups import SimilarityGroups
from training.noise import Noise, NoiseError
from training.training_set import TrainingLabels, TrainingSetError
from training.transition_noise import parse_noise

CLASSES = "abcdef"


@st.composite
def labelled(draw: st.DrawFn) -> tuple[NDArray[np.int64], SimilarityGroups]:
    size = draw(st.integers(2, 6))
    lists = draw(st.lists(st.sets(st.sampled_from(CLASSES[:size]), min_size=1), max_size=3))
    labels = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=80))
    return np.array(labels, dtype=np.int64), SimilarityGroups.from_lists(CLASSES[:size], lists)


ratios = st.sampled_from([0.0, 0.1, 0.2, 0.4, 0.5, 0.8, 1.0]) | st.floats(0, 1)
kinds = st.sampled_from(["asymmetric", "symmetric"])


@given(labelled(), kinds, ratios, st.integers(0, 1000))
@settings(deadline=None)
def test_flips_are_exact_and_inside_the_reach(
    data: tuple[NDArray[np.int64], SimilarityGroups], kind: Any, ratio: float, seed: int
) -> None:
    """Each class loses exactly round(r n) labels: to its group's others, or with symmetric noise to any other class."""
    labels, groups = data
    given_labels = Noise(kind, ratio).flip(labels, groups, np.random.default_rng(seed))
    for label in np.unique(labels):
        received = given_labels[labels == label]
        gone = received[received != label]
        stands_alone = kind == "asymmetric" and groups.membership[label].sum() == 1
        assert len(gone) == (0 if stands_alone else round(ratio * len(received)))
        if kind == "asymmetric":
            assert groups.membership[label, gone].all()


@given(labelled(), kinds, ratios, st.integers(0, 1000))
@settings(deadline=None, max_examples=50)
def test_same_seed_same_flips(
    data: tuple[NDArray[np.int64], SimilarityGroups], kind: Any, ratio: float, seed: int
) -> None:
    """Noise can be repeated from its seed, and leaves the true labels it was given alone."""
    labels, groups = data
    before = labels.copy()
    first, second = (Noise(kind, ratio).flip(labels, groups, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(labels, before)


def test_flips_reach_every_other_class_equally() -> None:
    """No class is favoured: in a group of four, each of the other three receives about a third of the flips."""
    groups = SimilarityGroups.from_lists("abcde", ["abcd"])
    labels = np.zeros(30_000, dtype=np.int64)
    given_labels = Noise("asymmetric", 0.5).flip(labels, groups, np.random.default_rng(0))
    counts = np.bincount(given_labels, minlength=5)
    assert counts[[0, 4]].tolist() == [15_000, 0]
    assert np.abs(counts[1:4] - 5_000).max() < 5 * np.sqrt(15_000 * 2 / 9)


def test_no_noise_changes_nothing() -> None:
    """Noise ``none`` gives every sample its true label."""
    labels = np.arange(4).repeat(5)
    groups = SimilarityGroups.from_lists("abcd", ["abcd"])
    np.testing.assert_array_equal(Noise("none").flip(labels, groups, np.random.default_rng(0)), labels)


@pytest.mark.parametrize(
    "text", ["none", "asymmetric:0.4", "symmetric:0.2", "cifar10-convention:0.4", "asymmetric:1", "symmetric:0"]
)
def test_noise_is_written_as_it_is_read(text: str) -> None:
    """What the command line takes is what provenance says."""
    assert str(Noise.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "pairwise:0.4", "asymmetric", "asymmetric:", "asymmetric:1.5", "symmetric:-0.1", "symmetric:nan"]
)
def test_wrong_noise_is_refused_by_name(text: str) -> None:
    """Noise that can't be understood is refused, quoting what was given."""
    with pytest.raises(NoiseError, match=f"noise '{text}'"):
        Noise.parse(text)


def test_the_convention_flips_five_classes_one_way() -> None:
    """CIFAR-10's usual noise turns trucks into automobiles but not the other way, and leaves five classes alone."""
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    groups = SimilarityGroups.singletons(names)
    labels = np.arange(10).repeat(50)
    given_labels = Noise.parse("cifar10-convention:0.4").flip(labels, groups, np.random.default_rng(0))
    became = {(names[a], names[b]) for a, b in zip(labels, given_labels, strict=True) if a != b}
    assert became == {
        ("truck", "automobile"),
        ("bird", "airplane"),
        ("deer", "horse"),
        ("cat", "dog"),
        ("dog", "cat"),
    }
    assert (labels != given_labels).sum() == 5 * 20
    with pytest.raises(NoiseError, match="for the classes of CIFAR-10; 'airplane' is not among these"):
        Noise("cifar10-convention", 0.4).flip(labels[:3], SimilarityGroups.singletons("abc"), np.random.default_rng())


def draw(
    truth: NDArray[np.int64], groups: SimilarityGroups, noise: str, trusted: int, protocol: Any, seed: int = 0
) -> TrainingLabels:
    return TrainingLabels.draw(
        np.arange(len(truth)) + 1000,
        truth,
        groups,
        noise=parse_noise(noise),
        trusted=trusted,
        protocol=protocol,
        rng=np.random.default_rng(seed),
    )


@given(
    st.sampled_from(["paper", "verified"]),
    kinds,
    st.sampled_from([0, 0.2, 0.4, 0.8]),
    st.integers(0, 10),
    st.integers(0, 99),
)
@settings(deadline=None)
def test_trusted_samples_are_right_and_balanced(
    protocol: str, kind: str, ratio: float, per_class: int, seed: int
) -> None:
    """Under either protocol the trusted set has M samples, equally many of each class, each with its true label."""
    truth = np.random.default_rng(1).permutation(np.arange(4).repeat(50))
    groups = SimilarityGroups.from_lists("abcd", ["ab", "cd"])
    labels = draw(truth, groups, f"{kind}:{ratio}", 4 * per_class, protocol, seed)
    np.testing.assert_array_equal(labels.index, np.arange(200) + 1000)
    np.testing.assert_array_equal(labels.given[labels.trusted], truth[labels.trusted])
    assert np.bincount(truth[labels.trusted], minlength=4).tolist() == [per_class] * 4
    np.testing.assert_array_equal(labels.given[~labels.trusted], labels.original[~labels.trusted])
    assert (labels.original != truth).sum() == round(ratio * 50) * 4


def test_paper_protocol_counts_flips_among_all() -> None:
    """Paper's protocol: r N flips, all of them untrusted, so the untrusted rate is r N / (N - M)."""
    truth = np.arange(4).repeat(100)
    groups = SimilarityGroups.from_lists("abcd", ["ab", "cd"])
    labels = draw(truth, groups, "asymmetric:0.4", 80, "paper")
    wrong = labels.given != truth
    assert wrong.sum() == 160
    assert wrong[~labels.trusted].mean() == 160 / 320
    np.testing.assert_array_equal(labels.given, labels.original)


def test_paper_protocol_can_leave_only_wrong_labels() -> None:
    """At r = 0.8 with a fifth trusted, the paper's protocol leaves every untrusted label wrong."""
    truth = np.arange(4).repeat(100)
    labels = draw(truth, SimilarityGroups.from_lists("abcd", ["ab", "cd"]), "asymmetric:0.8", 80, "paper")
    assert (labels.given != truth)[~labels.trusted].all()


def test_verified_protocol_keeps_what_the_label_said() -> None:
    """Verified protocol: trusted samples come from the noisy ones, and remember what they said before."""
    truth = np.arange(4).repeat(1000)
    labels = draw(truth, SimilarityGroups.from_lists("abcd", ["ab", "cd"]), "asymmetric:0.4", 2000, "verified")
    flipped = labels.original != truth
    assert flipped[labels.trusted].mean() == pytest.approx(0.4, abs=0.05)
    assert flipped[~labels.trusted].mean() == pytest.approx(0.4, abs=0.05)


def test_a_trusted_set_that_can_not_be_had_is_refused() -> None:
    """An unbalanced trusted set, and one larger than what is unflipped, are refused with the reason."""
    truth = np.arange(4).repeat(10)
    groups = SimilarityGroups.from_lists("abcd", ["ab", "cd"])
    with pytest.raises(TrainingSetError, match="6 is no multiple of 4 classes"):
        draw(truth, groups, "none", 6, "verified")
    with pytest.raises(TrainingSetError, match="class 'a' has 2 samples to trust, fewer than 3"):
        draw(truth, groups, "asymmetric:0.8", 12, "paper")
    assert draw(truth, groups, "asymmetric:0.8", 12, "verified").trusted.sum() == 12


def test_trusted_samples_do_not_depend_on_the_noise() -> None:
    """Runs at several ratios with one seed trust the same samples, so their results differ by the noise alone."""
    truth = np.repeat(np.arange(4), 50)
    groups = SimilarityGroups.from_lists("abcd", ["ab", "cd"])
    few, many = (draw(truth, groups, f"asymmetric:{ratio}", 20, "verified") for ratio in (0.2, 0.8))
    assert (few.trusted == many.trusted).all()


def test_a_checksum_says_which_labels_were_learnt() -> None:
    """Labels drawn alike have one checksum; another seed, another ratio and another trusted set have others."""
    truth = np.repeat(np.arange(4), 50)
    groups = SimilarityGroups.from_lists("abcd", ["ab", "cd"])
    sums = [
        draw(truth, groups, f"asymmetric:{ratio}", trusted, "verified", seed).sha256
        for ratio, trusted, seed in ((0.2, 20, 0), (0.2, 20, 0), (0.4, 20, 0), (0.2, 40, 0), (0.2, 20, 1))
    ]
    assert sums[0] == sums[1]
    assert len(set(sums)) == 4


def test_a_training_set_has_noise_by_a_file(tmp_path: Path) -> None:
    """Named by its file, a transition matrix gives each class's samples the labels that it says, trusted ones apart."""
    file = tmp_path / "rates.json"
    file.write_text('{"classes": ["b", "a"], "rates": [[0.9, 0.1], [0.25, 0.75]]}')
    truth = np.repeat([0, 1], 100)
    labels = draw(truth, SimilarityGroups.singletons("ab"), f"transition:{file}", 20, "verified")
    counts = [[int((labels.original[truth == a] == b).sum()) for b in range(2)] for a in range(2)]
    assert counts == [[75, 25], [10, 90]]
    assert (labels.given[labels.trusted] == truth[labels.trusted]).all()
    assert str(parse_noise(f"transition:{file}")) == f"transition:{file}"
