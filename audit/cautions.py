"""What a person should know before they act on an audit, in whole sentences."""

from collections.abc import Iterator

import numpy as np

from audit.asymmetry import LEAST_ROWS, are_telling
from audit.evidence import Evidence
from audit.joint import confusion_matrix
from audit.noise_model import NoiseModel
from audit.tally import Tally

MOST_IN_GROUP_RATE = 0.35
MUCH_BY_SLIPS = 0.3


def cautions(
    evidence: Evidence,
    noise: NoiseModel,
    tally: Tally,
    rate: float,
    slip_share: float,
    *,
    corrected: bool,
    cross_validated: bool,
) -> Iterator[str]:
    """Say what limits this audit: too few rows, a weak or foreign model, groups that miss something, much noise."""
    scored, classes = int(tally.rows.sum()), evidence.groups.classes
    if scored < LEAST_ROWS:
        yield f"only {scored} rows were scored: fewer than {LEAST_ROWS} are too few for a verdict on asymmetry"
    if not are_telling(evidence.groups.membership):
        yield (
            "all classes are in one similarity group"
            if len(classes) > 1 and evidence.groups.membership.all()
            else "no similarity groups are known"
        ) + ": whether wrong labels stay among similar classes can't be told; name groups if some classes are alike"
    if cross_validated:
        yield (
            "the evidence is a model fitted on these very labels: noise that gathers on hard images can't be told from "
            "images that are hard, so the noise rate may be higher, and an excess below 1 % is not called asymmetric"
        )
    elif evidence.validation_counts is None:
        yield (
            "the model comes without confusion counts on clean validation data: its probabilities may be uncalibrated, "
            "the noise rate is known to 1 % at best, and an excess below 1 % is not called asymmetric"
        )
    elif not corrected:
        yield (
            "the model's clean validation data are too few, or the model too weak, to correct for its confusion: "
            "the verdict rests on its most confident rows, and an excess below 1 % is not called asymmetric"
        )
    if noise.recalibration.is_shifted:
        sureness, promised = noise.recalibration.sureness, noise.recalibration.promised
        yield (
            f"these images are harder for the model than its validation images: it is {sureness:.1%} sure of them on "
            f"average, there it was right on {promised:.1%}; rates and intervals hold for images like the validation's"
        )
    error = _model_error(evidence, noise)
    if error > rate:
        share = f"about {rate:.1%}" if rate >= 0.0005 else "hardly any"
        yield (
            f"the model is weaker than the labels: it errs on about {error:.1%} of these images, the labels on "
            f"{share}; review from the top of the ranking and stop where the precision falls"
        )
    if slip_share > MUCH_BY_SLIPS:
        yield (
            f"about {slip_share:.0%} of the wrong labels gather on hard images, where anyone may err: how many "
            "they are rests on how sharp people's eyes are taken to be, so the interval of the noise rate is wide"
        )
    pairs = np.argwhere(noise.standouts)
    if len(pairs):
        true, given = max(pairs, key=lambda pair: tally.counts[pair[0], pair[1]])
        yield (
            f"{len(pairs)} pairs of classes outside the similarity groups are mistaken for one another often, most of "
            f"all {classes[true]!r} labelled {classes[given]!r}: consider adding them to the groups"
        )
    mates = evidence.groups.membership & ~np.eye(len(classes), dtype=bool)
    in_group = np.where(mates, noise.transition, 0.0).sum(axis=1)
    unreliable = np.flatnonzero(in_group > MOST_IN_GROUP_RATE)
    if len(unreliable):
        worst = unreliable[in_group[unreliable].argmax()]
        yield (
            f"{len(unreliable)} classes lose more than {MOST_IN_GROUP_RATE:.0%} of their labels to their similarity "
            f"group ({classes[worst]!r} {in_group[worst]:.0%}): such estimates are unreliable"
        )


def _model_error(evidence: Evidence, noise: NoiseModel) -> float:
    if evidence.validation_counts is None:
        return float(1 - evidence.probabilities.max(axis=1).mean())
    return float(1 - noise.recalibration.prior @ confusion_matrix(evidence.validation_counts).diagonal())
