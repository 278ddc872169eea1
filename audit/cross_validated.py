"""An audit with ``cross_validated`` evidence: probabilities by a model that was fitted on the very labels in question.

They are out of sample (no row was predicted by a model that saw its label), be they columns of the label file or the
answers of ``audit/probe.py``. Such a model predicts the label. Fitted as if it predicted the truth, a transition matrix
comes out as the identity: every label explained, no noise found. Here the change of scale that leads from the label to
the truth (``audit/unnoising.py``) and the transition matrix are fitted together, by expectation-maximisation from the
most confident rows on: a model that is linear in its logits can't say "four-fifths sure, however clear the image", the
transition matrix says it for it.

What can't be had from this evidence: noise that follows the image. A label that people get wrong because the image is
hard looks, to a model that learned from those people, like an image of an uncertain class. The ranking holds there; the
rate is a lower bound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.discovery import components, discovered_pairs, nearest_pairs
from audit.evidence import Evidence
from audit.joint import anchor_counts
from audit.likely_classes import MOST as ALL_LIKELY
from audit.likely_classes import likely_classes
from audit.noise_model import NoiseModel
from audit.posterior import score_rows
from audit.recalibration import Recalibration
from audit.reference import AuditResult
from audit.report import report_on
from audit.tally import Tally
from audit.transition import confusable_pairs
from audit.unnoising import Unnoising, floor_of, parts_of
from audit.unnoising_fit import Candidate, Family, LabelledRows, fit_candidate, is_evident
from models.groups import SimilarityGroups

LEAST_GAIN_FOUND = 0.001  # nats a row, beyond what a family costs, for groups that were looked for
LEAST_GAIN_LOCAL = 0.01  # nats a row of a few groups among many, which alone get rates of their own
SMALL = 0.1  # of the rows, in such a group
LEAST_RATE_OF_PAIR = 0.005
MOST_NEAREST = 3
FLOOR_OF_MANY = 0.1  # of an even share: what a model that saw few rows a class says below it is no evidence
LEAST_NOISE = 0.02  # of labels: one that finds less has found none
SHARES_OF_HIGHEST = (0.1, 0.25, 0.5)
MOST_ROWS = 20_000
MOST_CELLS = 20_000_000


@dataclass(frozen=True)
class CrossValidatedFit:
    """How to read the model's probabilities, and how the labels came about."""

    groups: SimilarityGroups
    """The groups given, or those discovered."""
    unnoising: Unnoising
    noise: NoiseModel

    def clean(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """P(label | image) ``[n, K]`` to P(true class | image): what ``score_rows`` reads with ``noise``."""
        return self.unnoising.apply(probabilities)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return plain arrays, from which ``from_arrays`` makes the same again."""
        arrays = self.unnoising.to_arrays() | self.noise.to_arrays()
        return arrays | {"membership": self.groups.membership.astype(np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]], classes: Sequence[str]) -> Self:
        """Read what ``to_arrays`` gave."""
        groups = SimilarityGroups(classes, arrays["membership"].astype(bool))
        return cls(groups, Unnoising.from_arrays(arrays), NoiseModel.from_arrays(arrays))


def fit_cross_validated(
    probabilities: NDArray[np.floating],
    given: NDArray[np.intp],
    classes: Sequence[str],
    groups: SimilarityGroups | None,
    *,
    trusted: NDArray[np.bool_] | None = None,
    original: NDArray[np.intp] | None = None,
) -> CrossValidatedFit:
    """Fit to out-of-sample probabilities of the label ``[n, K]`` and the labels given ``[n]``; deterministic.

    ``groups`` None: they are discovered. Groups that the labels know nothing of cost little, and pairs that the groups
    lack are found all the same (``noise.standouts``). ``trusted`` and ``original`` as in ``audit.evidence.Evidence``.
    At most 20,000 rows and 20 million probabilities are looked at, evenly spread.
    """
    K = len(classes)
    trusted = np.zeros(len(given), dtype=bool) if trusted is None else trusted
    doubted, labels = (probabilities[~trusted], given[~trusted]) if trusted.any() else (probabilities, given)
    anchors = anchor_counts(doubted, labels)[0] if len(doubted) else np.eye(K)
    named = np.zeros((K, K), dtype=bool) if groups is None else confusable_pairs(groups.membership)
    found, wide = discovered_pairs(anchors), np.zeros((K, K), dtype=bool)
    if K > ALL_LIKELY and len(doubted):
        found, wide = found | nearest_pairs(doubted, labels, 1), found | nearest_pairs(doubted, labels, MOST_NEAREST)
    known = _known_pairs(given, trusted, original, K)
    spread = _spread(len(given), K)
    floor = floor_of(probabilities) if K <= ALL_LIKELY else max(floor_of(probabilities), FLOOR_OF_MANY / K)
    looked_at = probabilities if len(spread) == len(given) else probabilities[spread]
    upload = _Upload(looked_at, given[spread], trusted[spread], known, anchors, floor)
    fit, confusable = _choose(upload, named, found & ~named, wide)
    if groups is None:
        groups = SimilarityGroups(classes, fit.free | np.eye(K, dtype=bool))
    return CrossValidatedFit(
        groups=groups,
        unnoising=Unnoising(floor, confusable, fit.between, fit.within, fit.bias),
        noise=NoiseModel(
            recalibration=Recalibration(fit.prior, np.ones(K), np.ones((K, K)), float("nan"), float("nan")),
            transition=fit.transition,
            weight=0.0,
            weight_error=0.0,
            slip_error=0.0,
            sharpness=0.5,
            standouts=fit.free & ~confusable_pairs(groups.membership),
            other_rates=(),
            log_likelihood=float(fit.log_likelihood.sum()),
        ),
    )


def audit_cross_validated(
    probabilities: ArrayLike,
    given: ArrayLike,
    classes: Sequence[str],
    groups: SimilarityGroups | None,
    *,
    trusted: ArrayLike | None = None,
    original: ArrayLike | None = None,
    seed: int,
) -> AuditResult:
    """Audit n labels by out-of-sample probabilities ``[n, K]`` of a model that was fitted on these labels.

    ``groups`` None: they are discovered. The other arguments are those of ``audit.reference.audit_reference``; the same
    input and seed give the same answer. Raises ``ValueError`` naming the input that doesn't fit.
    """
    names = SimilarityGroups.singletons(classes) if groups is None else groups
    raw = Evidence.checked(probabilities, given, names, trusted=trusted, original=original)
    fit = fit_cross_validated(raw.probabilities, raw.given, classes, groups, trusted=raw.trusted, original=raw.original)
    evidence = replace(raw, probabilities=fit.clean(raw.probabilities), groups=fit.groups)
    rows = score_rows(evidence.probabilities, evidence.given, evidence.trusted, fit.groups, fit.noise)
    tally = Tally.of(evidence.probabilities, evidence.given, evidence.trusted, rows)
    review = ~evidence.trusted
    report = report_on(evidence, fit.noise, tally, rows.p_wrong[review], "cross_validated", np.random.default_rng(seed))
    return AuditResult(rows=rows, report=report, noise=fit.noise)


@dataclass(frozen=True)
class _Upload:
    """The rows that are looked at, before it is settled which classes are confusable."""

    probabilities: NDArray[np.floating]
    given: NDArray[np.intp]
    trusted: NDArray[np.bool_]
    known: NDArray[np.float64]
    anchors: NDArray[np.float64]
    floor: float

    def rows(self, confusable: NDArray[np.bool_]) -> LabelledRows:
        classes, sizes = self.likely
        means, rest = parts_of(self.probabilities, classes, confusable, self.floor)
        return LabelledRows(classes, np.log(sizes), means, rest, self.given, self.trusted, self.known, self.anchors)

    @cached_property
    def likely(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        return likely_classes(self.probabilities, self.given)


def _choose(
    upload: _Upload, named: NDArray[np.bool_], found: NDArray[np.bool_], wide: NDArray[np.bool_]
) -> tuple[Candidate, NDArray[np.bool_]]:
    """Return the best fit, and which classes have a common mean in the change of scale.

    Candidates get a scale of their own in any case: the model may confuse them by itself. Rates of their own they get
    where these explain the labels enough better than one rate for all wrong labels. Which candidates? Those whose rate,
    fitted with all the others', is of the size of the highest; how near to it is tried out.
    """
    alone = np.eye(len(named), dtype=bool)
    candidates = named | found
    rows = upload.rows(candidates | alone)
    best, confusable = fit_candidate(rows, "uniform", np.zeros_like(candidates)), candidates | alone
    if not candidates.any():
        return best, confusable
    grouped = fit_candidate(rows, "grouped", candidates)
    many = len(named) > ALL_LIKELY
    choices = [
        named,
        *([found, wide] if many else []),
        *(_used(grouped, share) for share in SHARES_OF_HIGHEST),
        _local(best, grouped, upload.given),
    ]
    families: tuple[Family, ...] = ("shared",) if many else ("shared", "grouped")
    distinct = {free.tobytes(): free for free in reversed(choices) if free.any()}.values()
    for free in distinct:
        rows = upload.rows(free | alone)
        chosen = 0.0 if free is named else LEAST_GAIN_FOUND * len(upload.given)
        plain = fit_candidate(rows, "uniform", np.zeros_like(free))
        if many and plain.merit > best.merit:
            best, confusable = plain, free | alone
        for family in families:
            fit = fit_candidate(rows, family, free)
            fit = replace(fit, cost=fit.cost + chosen)
            # The change of scale alone may explain as much: better than one rate, with the same classes confusable.
            if fit.merit > best.merit and fit.merit > plain.merit:
                best, confusable = fit, free | alone
    evident = [free for free in distinct if is_evident(upload.anchors, free, named | wide)]
    if best.free.any() or not evident:
        unseen = many and not best.free.any() and best.transition.diagonal().mean() > 1 - LEAST_NOISE
        return (
            replace(best, transition=_leaning(best, upload.anchors, confusable & ~alone)) if unseen else best
        ), confusable
    # A model that is too sure of its own answers explains any label; its most confident answers still show the noise.
    believed = [
        (fit_candidate(upload.rows(free | alone), family, free, believe_anchors=True), free | alone)
        for free in evident
        for family in families
    ]
    return max(believed, key=lambda pair: pair[0].merit)


def _leaning(fit: Candidate, anchors: NDArray[np.float64], pairs: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return ``[true, given]``: the one rate of ``fit``, spread inside ``pairs`` and outside as anchors' labels lie.

    Labels in which no noise is found don't say where it would lie, yet the ranking depends on it: is an image of which
    nothing is sure, or one that a look-alike fits, rather wrong?
    """
    outside = ~pairs & ~np.eye(len(pairs), dtype=bool)
    even = pairs.sum() / (pairs.sum() + outside.sum())
    inside = (anchors[pairs].sum() + even) / (anchors[pairs].sum() + anchors[outside].sum() + 1)
    rate = float((1 - fit.transition.diagonal()).sum())
    transition = rate * (inside * pairs / max(pairs.sum(), 1) + (1 - inside) * outside / max(outside.sum(), 1))
    np.fill_diagonal(transition, 1 - transition.sum(axis=1))
    leaning: NDArray[np.float64] = transition
    return leaning


def _used(fit: Candidate, share: float) -> NDArray[np.bool_]:
    """Return the free pairs whose rate, in either direction, is at least so large a ``share`` of the highest."""
    outside = ~fit.free & ~np.eye(len(fit.free), dtype=bool)
    background = np.where(outside, fit.transition, 0.0).sum(axis=1) / np.maximum(outside.sum(axis=1), 1)
    rates = np.where(fit.free, fit.transition - background[:, None], 0.0)
    used = rates > max(LEAST_RATE_OF_PAIR, share * float(rates.max()))
    pairs: NDArray[np.bool_] = used | used.T
    return pairs


def _local(plain: Candidate, grouped: Candidate, given: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return the free pairs of small components that ask for rates of their own, though most may not."""
    K = len(grouped.free)
    component = components(grouped.free)
    gain = np.bincount(component[given], grouped.log_likelihood - plain.log_likelihood, minlength=K)
    size = np.bincount(component[given], minlength=K)
    width = np.bincount(component, grouped.free.sum(axis=1), minlength=K)
    asked = gain > 0.5 * np.log(len(given)) * (width + 1) + LEAST_GAIN_LOCAL * size
    asked &= size < SMALL * len(given)
    pairs: NDArray[np.bool_] = grouped.free & asked[component][:, None]
    return pairs


def _known_pairs(
    given: NDArray[np.intp], trusted: NDArray[np.bool_], original: NDArray[np.intp] | None, K: int
) -> NDArray[np.float64]:
    counts = np.zeros((K, K))
    if original is not None:
        rows = trusted & (original >= 0)
        np.add.at(counts, (given[rows], original[rows]), 1.0)
    return counts


def _spread(n: int, K: int) -> NDArray[np.intp]:
    """Return the rows to look at, all or evenly spread."""
    most = min(MOST_ROWS, max(MOST_CELLS // K, 1))
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.intp)
