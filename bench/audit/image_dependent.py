"""Labels as people make them: annotators of several kinds who err where images are hard. Reference evidence.

Each pool's annotators are weak models, fitted on few images of the validation part, each seeing half of the pixels. An
image's label comes from one of them at random; errors of a random part of the images are put right, as if experts had
labelled those, so that the overall rate is the one wanted. The method has no knowledge of pools, kinds or experts.
"""

import secrets
import warnings

import numpy as np
from data import Seen, groups, part, shipped
from noise import calibration_error, verdicts
from numpy.typing import NDArray
from peers import best_score
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from audit.reference import audit_reference

POOLS = {  # kind of annotator: how to make one, images each has seen, how many there are
    "logistic": (lambda seed: LogisticRegression(max_iter=60, C=0.1, random_state=seed), 300, 8),
    "logistic, 3 better": (lambda seed: LogisticRegression(max_iter=60, C=0.1, random_state=seed), 3000, 3),
    "trees": (lambda seed: DecisionTreeClassifier(max_depth=8, random_state=seed), 300, 8),
    "neighbours": (lambda _: KNeighborsClassifier(5), 300, 8),
    "discriminants": (lambda _: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3), 200, 8),
    "naive Bayes": (lambda _: GaussianNB(var_smoothing=0.05), 500, 5),
}
RATES = (0.1, 0.2)
BOUNDS = {"ours - best": ">= -.002", "rate error": "<= .03", "ECE": "<= .05"}


def labels_of(kind: str, rate: float, seen: Seen, school: Seen, rng: np.random.Generator) -> NDArray[np.intp]:
    """Let a pool label the images of ``seen``; its annotators learn from ``school``."""
    make, size, count = POOLS[kind]
    pixels, lessons = (images.reshape(len(images), -1) / 255.0 for images in (seen.images, school.images))
    votes = []
    for _ in range(count):
        rows, visible = rng.choice(len(lessons), size, replace=False), rng.permutation(784)[:392]
        annotator = make(int(rng.integers(2**31))).fit(lessons[rows][:, visible], school.truth[rows])
        votes.append(annotator.predict(pixels[:, visible]))
    labels = np.stack(votes)[rng.integers(count, size=len(pixels)), np.arange(len(pixels))]
    errors = rng.permutation(np.flatnonzero(labels != seen.truth))
    mended = errors[round(rate * len(labels)) :]
    labels[mended] = seen.truth[mended]
    return labels


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    manifest, pairs = shipped(), groups()
    counts = manifest.validation_counts.astype(np.float64)
    seed = secrets.randbelow(2**31)
    rng = np.random.default_rng(seed)
    seen, school = part("reserve"), part("validation")
    p = seen.probabilities(manifest)
    print(f"\nreserve: {len(p)} images, seed {seed}\n")
    table: list[dict[str, str | float]] = []
    for kind in POOLS:
        for rate in RATES:
            given = labels_of(kind, rate, seen, school, rng)
            wrong = given != seen.truth
            result = audit_reference(p, given, pairs, model_prior=counts.sum(axis=1), validation_counts=counts, seed=0)
            ours = average_precision_score(wrong, result.rows.log_odds)
            name, best = best_score(p, given, wrong)
            interval, slips = result.report.noise_rate, result.report.image_dependent
            table.append(
                {
                    "annotators": f"{kind}, {wrong.mean():.3f}",
                    "AP ours": ours,
                    "AP best": f"{best:.4f} ({name})",
                    "ours - best": ours - best,
                    "rate": ("" if interval.holds(float(wrong.mean())) else "outside: ")
                    + f"{interval.estimate:.3f} ({interval.low:.3f} to {interval.high:.3f})",
                    "rate error": abs(interval.estimate - wrong.mean()),
                    "ECE": calibration_error(result.rows.p_wrong, wrong),
                    "on hard images": f"{slips.estimate:.2f} ({slips.low:.2f} to {slips.high:.2f})",
                }
            )
    for line in verdicts(table, BOUNDS):
        print(line)


if __name__ == "__main__":
    main()
