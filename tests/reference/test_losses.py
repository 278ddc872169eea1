"""The losses against slow float64 transcriptions of the paper's formulas."""

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.confidence_labels import ConfidenceLabels, from_groups
from models.groups import SimilarityGroups
from training.losses import LossName, make_loss
from training.losses.log_projection import LogProjection
from training.losses.relaxed_targets import Relaxation, RelaxationError

PAIR = SimilarityGroups.from_lists("ab", ["ab"])
OVERLAPPING = SimilarityGroups.from_lists("abcde", ["ab", "bc", "cde"])


def softmax(logits: NDArray[Any]) -> list[float]:
    powers = [math.exp(float(z) - float(max(logits))) for z in logits]
    return [power / sum(powers) for power in powers]


def slow_log_projection(
    logits: NDArray[Any], given: NDArray[Any], trusted: NDArray[Any], labels: ConfidenceLabels
) -> float:
    """Eqs. 6 and 8 to 10, one sample and one class at a time."""
    total = 0.0
    for z, a, known in zip(logits, given, trusted, strict=True):
        p = softmax(z)
        label = labels.trusted[a] if known else labels.untrusted[a]
        norm = 1.0 if known else math.sqrt(sum(t * t for t in label))  # r(t) = ||t||_2 t, or t
        relaxed = [norm * t for t in label]
        own = sum(t * t for t in relaxed)
        projection = sum(t * q for t, q in zip(relaxed, p, strict=True))
        total += max(0.0, math.log(own / projection))
    return total / len(logits)


@st.composite
def batches(draw: st.DrawFn) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], ConfidenceLabels]:
    size = draw(st.integers(2, 6))
    classes = "abcdef"[:size]
    lists = draw(st.lists(st.sets(st.sampled_from(classes), min_size=1), max_size=4))
    groups = SimilarityGroups.from_lists(classes, lists)
    shares = st.floats(0.05, 1)
    labels = from_groups(groups, own_untrusted=draw(shares), own_trusted=draw(shares))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 12))
    logits = rng.normal(scale=draw(st.sampled_from([0.1, 1.0, 5.0])), size=(n, size))
    return logits, rng.integers(0, size, n), rng.random(n) < 0.5, labels


@given(batches())
@settings(max_examples=100, deadline=None)
def test_log_projection_is_the_paper_s_formula(
    batch: tuple[NDArray[Any], NDArray[Any], NDArray[Any], ConfidenceLabels],
) -> None:
    """For any groups, shares and mix of trusted samples, the loss is what eqs. 6 and 8 to 10 say."""
    logits, labels, trusted, confidence = batch
    loss = LogProjection(confidence)(*map(torch.from_numpy, (logits, labels, trusted)))
    assert loss.item() == pytest.approx(slow_log_projection(logits, labels, trusted, confidence), rel=1e-9, abs=1e-12)


SLOW = {
    "p": lambda t, p, _: max(0.0, sum(x * (x - q) for x, q in zip(t, p, strict=True))),
    "pce": lambda t, p, _: -sum(x * math.log(q) for x, q in zip(t, p, strict=True)),
    "pl1": lambda t, p, _: sum(abs(x - q) for x, q in zip(t, p, strict=True)) / len(p),
    "pmse": lambda t, p, _: sum((x - q) ** 2 for x, q in zip(t, p, strict=True)) / len(p),
    "pfocal": lambda t, p, _: -sum(x * (1 - q) ** 2 * math.log(q) for x, q in zip(t, p, strict=True)),
    "ce": lambda _, p, a: -math.log(p[a]),
    "ls": lambda _, p, a: -sum((0.1 / len(p) + 0.9 * (b == a)) * math.log(q) for b, q in enumerate(p)),
    "gce": lambda _, p, a: (1 - p[a] ** 0.7) / 0.7,
}
"""The other losses of one sample, from its relaxed target, its probabilities and its given class."""


@pytest.mark.parametrize("name", SLOW)
@given(batches())
@settings(max_examples=30, deadline=None)
def test_each_loss_is_its_formula(
    name: Any, batch: tuple[NDArray[Any], NDArray[Any], NDArray[Any], ConfidenceLabels]
) -> None:
    """For any groups, shares and mix of trusted samples, each loss is the mean of its formula over the batch."""
    logits, labels, trusted, confidence = batch
    slow = 0.0
    for z, a, known in zip(logits, labels, trusted, strict=True):
        label = confidence.trusted[a] if known else confidence.untrusted[a]
        norm = 1.0 if known else math.sqrt(sum(t * t for t in label))
        slow += SLOW[name]([norm * t for t in label], softmax(z), a) / len(labels)
    loss = make_loss(name, confidence)(*map(torch.from_numpy, (logits, labels, trusted)))
    assert loss.item() == pytest.approx(slow, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", get_args(LossName))
@pytest.mark.parametrize("logit", [1e4, -1e4, 60.0])
def test_extreme_logits_stay_numbers(name: Any, logit: float) -> None:
    """However sure a network is, right or wrong, a loss and its gradient are numbers."""
    logits = torch.tensor([[logit, 0.0, 0.0, 0.0, 0.0]], requires_grad=True)
    for given_class in range(5):
        for trusted in (False, True):
            value = make_loss(name, from_groups(OVERLAPPING))(
                logits, torch.tensor([given_class]), torch.tensor([trusted])
            )
            (gradient,) = torch.autograd.grad(value, logits)
            assert value.isfinite()
            assert gradient.isfinite().all()


@pytest.mark.parametrize("name", get_args(LossName))
def test_gradient_is_that_of_the_formula(name: Any) -> None:
    """Autograd's gradient agrees with finite differences, for trusted and untrusted samples of overlapping groups."""
    rng = np.random.default_rng(3)
    logits = torch.tensor(rng.normal(scale=2, size=(20, 5)), requires_grad=True)
    labels, trusted = torch.from_numpy(rng.integers(0, 5, 20)), torch.from_numpy(rng.random(20) < 0.5)
    loss = make_loss(name, from_groups(OVERLAPPING))
    assert torch.autograd.gradcheck(lambda z: loss(z, labels, trusted), (logits,))


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_confidently_wrong_sample_keeps_loss_and_gradient(dtype: torch.dtype, trusted: bool) -> None:
    """A sample wrong by a logit gap of 120 still pulls with its full gradient, where 1e-8 in the log loses it."""
    logits = torch.tensor([[-60.0, -60.0, 60.0]], dtype=dtype, requires_grad=True)
    confidence = from_groups(SimilarityGroups.from_lists("abc", ["ab"]))
    value = LogProjection(confidence)(logits, torch.tensor([0]), torch.tensor([trusted]))
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == pytest.approx(120, abs=1)
    assert logits.grad is not None
    assert logits.grad[0, 2].item() == pytest.approx(1, abs=0.01)

    naive_logits = logits.detach().float().requires_grad_()
    label = torch.tensor(confidence.untrusted[0])
    naive = -torch.log(naive_logits.softmax(1) @ label + 1e-8).sum()
    naive.backward()  # type: ignore[no-untyped-call]
    assert naive.item() < 20
    assert naive_logits.grad is not None
    assert naive_logits.grad.abs().max().item() < 1e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", get_args(LossName))
def test_half_precision_logits_lose_nothing_more(name: Any, dtype: torch.dtype) -> None:
    """Half precision logits give the float32 loss of those logits: no further rounding inside the loss."""
    rng = np.random.default_rng(5)
    logits = torch.tensor(rng.normal(scale=8, size=(64, 5))).to(dtype)
    labels, trusted = torch.from_numpy(rng.integers(0, 5, 64)), torch.from_numpy(rng.random(64) < 0.5)
    loss = make_loss(name, from_groups(OVERLAPPING))
    value = loss(logits, labels, trusted)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(logits.double(), labels, trusted).item(), rel=1e-6)


def test_dead_zone_of_the_paper_s_values() -> None:
    """With 0.6/0.4 an untrusted sample costs nothing exactly where 0.4327 p_a + 0.2884 p_b >= 0.2704."""
    norm = math.sqrt(0.6**2 + 0.4**2)
    edge = norm**2 * (0.6**2 + 0.4**2)
    assert (round(0.6 * norm, 4), round(0.4 * norm, 4), round(edge, 4)) == (0.4327, 0.2884, 0.2704)

    loss = LogProjection(from_groups(SimilarityGroups.from_lists("abc", ["ab"])))
    zero = 0
    grid = [(i / 40, j / 40) for i in range(41) for j in range(41 - i)]
    for a, b in grid:
        logits = torch.tensor([[a, b, 1 - a - b]], dtype=torch.float64).clamp(min=1e-300).log()
        value = loss(logits, torch.tensor([0]), torch.tensor([False])).item()
        projection = norm * (0.6 * a + 0.4 * b)
        if abs(projection - edge) > 1e-9:
            assert (value == 0) == (projection > edge)
            zero += value == 0
    assert 0 < zero < len(grid)


@pytest.mark.parametrize("given_class", [0, 1])
@pytest.mark.parametrize("certain_of", [0, 1])
def test_either_class_of_the_pair_is_free(given_class: int, certain_of: int) -> None:
    """A confident prediction of either class of the pair costs an untrusted sample nothing and moves nothing."""
    logits = torch.tensor([[10.0 * (certain_of == 0), 10.0 * (certain_of == 1)]], requires_grad=True)
    value = LogProjection(from_groups(PAIR))(logits, torch.tensor([given_class]), torch.tensor([False]))
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_trusted_samples_tell_the_pair_apart() -> None:
    """The same confident mistake inside the pair costs a trusted sample much: it alone separates look-alikes."""
    logits = torch.tensor([[0.0, 10.0]])
    value = LogProjection(from_groups(PAIR))(logits, torch.tensor([0]), torch.tensor([True]))
    assert value.item() > 2


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
@settings(max_examples=50, deadline=None)
def test_one_hot_log_projection_is_cross_entropy(seed: int, size: int) -> None:
    """With one-hot labels log-projection is cross-entropy, value and gradient, for trusted and untrusted alike."""
    rng = np.random.default_rng(seed)
    labels, trusted = torch.from_numpy(rng.integers(0, size, 9)), torch.from_numpy(rng.random(9) < 0.5)
    confidence = from_groups(SimilarityGroups.singletons("abcdef"[:size]))
    logits = torch.tensor(rng.normal(scale=4, size=(9, size)))
    values, gradients = [], []
    for name in ("lp", "glc", "ce"):
        z = logits.clone().requires_grad_()
        value = make_loss(name, confidence)(z, labels, trusted)
        value.backward()
        values.append(value.item())
        gradients.append(z.grad)
    for value, gradient in zip(values, gradients, strict=True):
        assert value == pytest.approx(values[-1], rel=1e-12)
        torch.testing.assert_close(gradient, gradients[-1])


def test_cross_entropy_takes_no_notice_of_trust() -> None:
    """The baseline is -log p of the given class, whoever is trusted."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(7, 5)), rng.integers(0, 5, 7)
    slow = sum(-math.log(softmax(z)[a]) for z, a in zip(logits, labels, strict=True)) / 7
    loss = make_loss("ce", from_groups(OVERLAPPING))
    for trusted in (torch.ones(7, dtype=torch.bool), torch.zeros(7, dtype=torch.bool)):
        value = loss(torch.from_numpy(logits), torch.from_numpy(labels), trusted)
        assert value.item() == pytest.approx(slow)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.sampled_from(["forward", "glc"]))
@settings(max_examples=50, deadline=None)
def test_correction_is_cross_entropy_of_the_given_label(seed: int, size: int, name: Any) -> None:
    """Forward correction and GLC have the gradient of -log P(given | x) = -log sum_b p_b P(given | true = b)."""
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.ones(size), size=size)  # [true, given]
    columns = (transition / transition.sum(axis=0)).T
    one_hot = tuple(map(tuple, np.eye(size).tolist()))
    labels = ConfidenceLabels(
        classes=tuple("abcdef"[:size]), untrusted=tuple(map(tuple, columns.tolist())), trusted=one_hot
    )
    given_classes, trusted = torch.from_numpy(rng.integers(0, size, 9)), torch.from_numpy(rng.random(9) < 0.5)
    logits = torch.tensor(rng.normal(scale=3, size=(9, size)), requires_grad=True)
    slow = torch.zeros((), dtype=torch.float64)
    for z, a, known in zip(logits, given_classes.tolist(), trusted.tolist(), strict=True):
        p = z.softmax(0)
        seen = sum(p[b] * transition[b, a] for b in range(size))
        slow = slow - (p[a].log() if known and name == "glc" else torch.as_tensor(seen).log()) / 9
    (expected,) = torch.autograd.grad(slow, logits)
    (gradient,) = torch.autograd.grad(make_loss(name, labels)(logits, given_classes, trusted), logits)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(
    ("scale", "inside", "shares"), [(1.0, "free", 0), (1.066, "free", 0), (1.2, "costs", 0.25), (1.38629, "costs", 0.6)]
)
def test_the_scale_says_how_much_a_label_is_believed(scale: float, inside: str, shares: float) -> None:
    """Up to 1.066 the other class of the pair is free; beyond it, the label's own class must have a growing share."""
    loss = LogProjection(from_groups(PAIR), Relaxation(scale))

    def cost(own: float) -> float:
        logits = torch.tensor([[own, 1 - own]], dtype=torch.float64).log()
        return float(loss(logits, torch.tensor([0]), torch.tensor([False])))

    assert (cost(1e-9) == 0) == (inside == "free")
    assert cost(shares + 0.01) == 0
    if shares:
        assert cost(shares - 0.01) > 0


@given(batches(), st.floats(0.1, 3))
@settings(max_examples=30, deadline=None)
def test_relaxation_is_its_formula(
    batch: tuple[NDArray[Any], NDArray[Any], NDArray[Any], ConfidenceLabels], scale: float
) -> None:
    """Scaled relaxation makes each untrusted target scale ||t|| t, and none leaves it; trusted targets stay."""
    logits, labels, trusted, confidence = batch
    for relaxation in (Relaxation(scale), Relaxation(None)):
        slow = 0.0
        for z, a, known in zip(logits, labels, trusted, strict=True):
            label = confidence.trusted[a] if known else confidence.untrusted[a]
            norm = 1.0 if known or relaxation.scale is None else scale * math.sqrt(sum(t * t for t in label))
            target = [norm * t for t in label]
            product = sum(t * q for t, q in zip(target, softmax(z), strict=True))
            slow += max(0.0, math.log(sum(t * t for t in target) / product)) / len(labels)
        loss = make_loss("lp", confidence, relaxation)(*map(torch.from_numpy, (logits, labels, trusted)))
        assert loss.item() == pytest.approx(slow, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("text", ["none", "l2", "l2:1.2", "l2:0.85"])
def test_relaxation_is_written_as_it_is_read(text: str) -> None:
    """What the command line takes is what provenance says."""
    assert str(Relaxation.parse(text)) == text


@pytest.mark.parametrize("text", ["", "l1", "l2:", "l2:0", "l2:-1", "l2:nan"])
def test_a_wrong_relaxation_is_refused_by_name(text: str) -> None:
    """A relaxation that can't be understood is refused, quoting what was given."""
    with pytest.raises(RelaxationError, match=f"relaxation '{text}'"):
        Relaxation.parse(text)
