"""What others make of the same labels and the same probabilities: cleanlab's scores and filters, FiftyOne's formula."""

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score

FILTERS = (
    "prune_by_class",
    "prune_by_noise_rate",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
)
SCORES = (
    ("self_confidence", False),
    ("self_confidence", True),
    ("normalized_margin", False),
    ("normalized_margin", True),
    ("confidence_weighted_entropy", False),
)


def best_score(
    probabilities: NDArray[np.floating], given: NDArray[np.intp], wrong: NDArray[np.bool_]
) -> tuple[str, float]:
    """Return the best average precision of cleanlab's five scores and FiftyOne's, chosen in hindsight."""
    found = {"FiftyOne": average_precision_score(wrong, mistakenness(probabilities, given))}
    for method, adjusted in SCORES:
        quality = get_label_quality_scores(given, probabilities, method=method, adjust_pred_probs=adjusted)
        found[method + " adjusted" * adjusted] = average_precision_score(wrong, -quality)
    return max(found.items(), key=lambda item: item[1])


def best_filter(
    probabilities: NDArray[np.floating], given: NDArray[np.intp], wrong: NDArray[np.bool_]
) -> tuple[str, float]:
    """Return the best F1 of cleanlab's seven filters, chosen in hindsight."""
    found = {
        name: f1_score(wrong, find_label_issues(given, probabilities, filter_by=name, n_jobs=1)) for name in FILTERS
    }
    return max(found.items(), key=lambda item: item[1])


def mistakenness(probabilities: NDArray[np.floating], given: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return FiftyOne's mistakenness from logits, own transcription: (m exp(-entropy) + 1) / 2.

    m is 1 where the model contradicts the label and -1 where it agrees.
    """
    logs = np.log(np.maximum(probabilities, 1e-30))
    certainty = np.exp((probabilities * logs).sum(axis=1))
    m = np.where(probabilities.argmax(axis=1) == given, -1.0, 1.0)
    scores: NDArray[np.float64] = (m * certainty + 1) / 2
    return scores
