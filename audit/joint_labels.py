"""One image, several rows: what all its labels together say of each.

Where rows that show the same image bear different labels, one of them at least is wrong. The labels are drawn
independently given the true class, so P(true | image, all labels) is proportional to pi[y] times the product of the
probabilities of each label under y. A verified label settles it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.evidence import LEAST_PROBABILITY
from audit.noise_model import NoiseModel
from audit.posterior import sigmoid
from models.groups import SimilarityGroups


@dataclass(frozen=True)
class JointScores:
    """Answers for rows that share their image with others; see ``audit.posterior.RowScores``."""

    log_odds: NDArray[np.float64]
    p_confusable: NDArray[np.float64]
    suggested: NDArray[np.intp]


def score_jointly(
    probabilities: NDArray[np.floating],
    given: NDArray[np.intp],
    trusted: NDArray[np.bool_],
    cluster: NDArray[np.integer],
    groups: SimilarityGroups,
    noise: NoiseModel,
) -> JointScores:
    """Score m rows, each by the labels of all rows of its ``cluster`` ``[m]``; probabilities are ``[m, K]``.

    Of nearly equal images the first one's probabilities stand for all.
    """
    rows = np.arange(len(given))
    pi = noise.recalibration.apply(probabilities)
    likelihood = (1 - noise.weight) * noise.transition.T[given]
    if noise.weight:
        likelihood += (noise.weight * noise.annotator(pi, given))[:, None]
    likelihood[trusted] = LEAST_PROBABILITY
    likelihood[trusted, given[trusted]] = 1.0
    _, first, member = np.unique(cluster, return_index=True, return_inverse=True)
    joint = np.log(pi[first])
    np.add.at(joint, member, np.log(likelihood))
    joint = joint[member]
    right = joint[rows, given].copy()
    joint[rows, given] = -np.inf
    peak = joint.max(axis=1)
    others = np.exp(joint - peak[:, None])
    wrong = others.sum(axis=1)
    log_odds = peak + np.log(wrong) - right
    share = (others * groups.membership[given]).sum(axis=1) / wrong
    return JointScores(log_odds, np.minimum(share, 1.0) * sigmoid(log_odds), joint.argmax(axis=1))
