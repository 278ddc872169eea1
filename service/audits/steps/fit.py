"""The third step: decide on the kind of evidence, and fit the noise model to a sample of the rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audit.cross_validated import fit_cross_validated
from audit.fit import fit_noise_model
from audit.noise_model import NoiseModel
from audit.probe import Probe, ProbeSums
from audit.report import EvidenceKind
from audit.sample import LIMIT, chosen
from models.groups import SimilarityGroups, parse_groups
from models.training_pixels import were_trained_on
from service.audits.steps.answers import MOST_CELLS_TO_LEARN_FROM, Answers, judged_chunks, sample
from service.audits.steps.duplicates import SharedImages
from service.audits.steps.files import get_arrays, put_arrays
from service.audits.steps.given import GivenLabels
from service.audits.steps.infer import STATUS, Inferred
from service.audits.steps.options import AuditError, AuditOptions
from service.audits.steps.plan import Plan
from service.inference.classifier import Classifier

MOST_SEEN_IN_TRAINING = 0.1
"""Share of images from the model's own training data, from which on its word on their labels is no evidence."""


@dataclass(frozen=True)
class Fit:
    """What the rows are scored with."""

    evidence: EvidenceKind
    groups: SimilarityGroups
    answers: Answers
    noise: NoiseModel
    shared: SharedImages
    seen_in_training: int
    """Images that are among those the model was trained on."""

    @property
    def validated(self) -> bool:
        """Whether the model's validation counts hold for the answers."""
        return self.evidence == "reference" and self.answers.plan.basis == "model"

    @classmethod
    def load(cls, folder: Path, plan: Plan, classifier: Classifier | None, revision: int) -> Self:
        """Read what ``fit`` left."""
        arrays: dict[str, NDArray[Any]] = get_arrays(fit_file(folder, revision))
        noise = {key.removeprefix("noise."): values for key, values in arrays.items() if key.startswith("noise.")}
        return cls(
            evidence=arrays["evidence"].item(),
            groups=SimilarityGroups(plan.classes, arrays["membership"]),
            answers=Answers.from_arrays(arrays, plan, classifier),
            noise=NoiseModel.from_arrays(noise),
            shared=SharedImages.from_arrays(arrays),
            seen_in_training=int(arrays["seen_in_training"]),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays."""
        return {
            "evidence": np.array(self.evidence),
            "membership": self.groups.membership,
            "seen_in_training": np.array(self.seen_in_training),
            **{f"noise.{name}": values for name, values in self.noise.to_arrays().items()},
            **self.answers.to_arrays(),
            **self.shared.to_arrays(),
        }


def fit_file(folder: Path, revision: int) -> Path:
    """Where the object lies."""
    return folder / f"fit-{revision}" / "000000.npz"


def fit(folder: Path, plan: Plan, options: AuditOptions, classifier: Classifier | None, revision: int) -> None:
    """Fit to the rows that can be judged; raises ``AuditError`` where there is none."""
    given = GivenLabels.load(folder, plan, revision)
    judged, trained_on = _count(folder, plan, classifier)
    if not judged:
        raise AuditError(_why_none(folder, plan))
    kind = _kind(plan, options, trained_on / judged)
    named = _groups(plan, options, classifier)
    alone = SimilarityGroups.singletons(plan.classes)
    if kind == "reference":
        answers, groups = Answers(plan, classifier), named or alone
        noise = fit_noise_model(sample(folder, answers, given, groups, validated=plan.basis == "model"))
    else:
        probe = None if plan.basis == "columns" else _fit_probe(folder, plan, given, judged)
        raw = Answers(plan, classifier, probe)
        seen = sample(folder, raw, given, alone, validated=False, most_cells=MOST_CELLS_TO_LEARN_FROM)
        cleaner = fit_cross_validated(
            seen.probabilities, seen.given, plan.classes, named, trusted=seen.trusted, original=seen.original
        )
        answers, groups, noise = Answers(plan, classifier, probe, cleaner), cleaner.groups, cleaner.noise
    shared = SharedImages.find(folder, answers, given, groups, noise)
    put_arrays(fit_file(folder, revision), Fit(kind, groups, answers, noise, shared, trained_on).to_arrays())


def _kind(plan: Plan, options: AuditOptions, trained_on: float) -> EvidenceKind:
    """A model can't judge the labels of the images that it was trained on; neither can one that doesn't know them."""
    if options.evidence != "auto":
        return options.evidence
    if plan.basis != "model" or trained_on > MOST_SEEN_IN_TRAINING:
        return "cross_validated"
    return "reference"


def _groups(plan: Plan, options: AuditOptions, classifier: Classifier | None) -> SimilarityGroups | None:
    """The caller's groups, or the model's where it knows just these classes; None: nobody named any."""
    if options.groups is not None:
        return parse_groups(options.groups, plan.classes)
    if classifier is not None and set(plan.classes) == set(classifier.manifest.classes):
        return SimilarityGroups.from_lists(plan.classes, classifier.manifest.similarity_groups.as_lists())
    return None


def _fit_probe(folder: Path, plan: Plan, given: GivenLabels, judged: int) -> Probe:
    sums = None
    for rows, inferred in judged_chunks(folder, plan):
        picked = chosen(rows, judged, LIMIT)
        labels = given.given[rows[picked]]
        part = ProbeSums.of(inferred.embeddings[picked], labels, rows[picked], len(plan.classes))
        sums = part if sums is None else sums + part
    assert sums is not None
    probe = Probe.fit(sums)
    logits, seen = [], []
    for rows, inferred in judged_chunks(folder, plan):
        picked = chosen(rows, judged, LIMIT)
        logits.append(probe.logits(inferred.embeddings[picked], rows[picked]))
        seen.append(rows[picked])
    return probe.calibrated(np.concatenate(logits), given.given[np.concatenate(seen)])


def _count(folder: Path, plan: Plan, classifier: Classifier | None) -> tuple[int, int]:
    """Rows that can be judged, and those whose images the model was trained on."""
    known = classifier.training_pixels() if classifier is not None and plan.basis != "columns" else None
    judged = trained_on = 0
    for rows, inferred in judged_chunks(folder, plan):
        judged += len(rows)
        if known is not None:
            trained_on += int(were_trained_on(inferred.hashes, known).sum())
    return judged, trained_on


def _why_none(folder: Path, plan: Plan) -> str:
    chunks = range(len(plan.chunks))
    status = np.concatenate([np.bincount(Inferred.of(folder, i).status, minlength=len(STATUS))[None] for i in chunks])
    counts = ", ".join(f"{n} {name}" for name, n in zip(STATUS, status.sum(axis=0).tolist(), strict=True) if n)
    first = plan.labels(folder, 0)["image"][0]
    return (
        f"no row could be judged: {counts}; images are looked up by the names in the column {plan.image_column!r}, "
        f"for instance {str(first)[:80]!r}"
    )
