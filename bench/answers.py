"""Is what an answer promises true? Sets, probabilities, certainty, outliers of the shipped model on held-out images.

    make bench-answers

The images are Fashion-MNIST's test split and the reserve of its training split; neither was used to train, to calibrate
or to choose anything. What misses its bound is marked.
"""

import operator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from models.calibration import fit_temperature
from models.conformal import prediction_sets
from models.distribution import class_probabilities, group_probabilities
from models.groups import SimilarityGroups
from models.metrics import calibration_error
from models.preprocessing import to_input
from models.repository import SHIPPED, ModelRepository
from service.inference.classifier import Classifier
from training.data import load_fashion_mnist

LEVEL = 0.95
SEED = 0


def main() -> None:
    classifier, data = Classifier(ModelRepository(SHIPPED).resolve(), device="cpu"), load_fashion_mnist(None)
    reserve, validation = data.split.reserve, data.split.validation
    held_out = {
        "test": (data.test_images, data.test_labels),
        "reserve": (data.images[reserve], data.labels[reserve]),
    }
    logits = {name: look(classifier, images)[0] for name, (images, _) in held_out.items()}
    truth = {name: labels for name, (_, labels) in held_out.items()}
    manifest = classifier.manifest
    p = {
        name: class_probabilities(found, manifest.similarity_groups, manifest.temperature)
        for name, found in logits.items()
    }
    print("\n### Prediction sets\n")
    coverage(classifier, p, truth)
    print("\n### Calibration\n")
    calibration(manifest.similarity_groups, p, truth)
    print(f"\n### Certain answers at {LEVEL}\n")
    alone = SimilarityGroups.singletons(manifest.classes)
    one = fit_temperature(look(classifier, data.images[validation])[0], data.labels[validation], alone)
    plain = {name: class_probabilities(found, alone, one) for name, found in logits.items()}
    certainty(manifest.similarity_groups, p, plain, truth)
    print("\n### Outliers\n")
    outliers(classifier, {name: images for name, (images, _) in held_out.items()})


def look(classifier: Classifier, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits and embeddings of images ``[N, H, W, C]``."""
    parts = [
        classifier.infer(np.ascontiguousarray(images[start : start + 256])) for start in range(0, len(images), 256)
    ]
    logits, embeddings = (np.concatenate(each) for each in zip(*parts, strict=True))
    return logits, embeddings


def coverage(classifier: Classifier, p: dict[str, NDArray[np.float64]], truth: dict[str, NDArray[np.int64]]) -> None:
    """Print for every level how many sets hold the true class, and how large they are."""
    calibration = classifier.manifest.calibration
    assert calibration is not None
    columns = [f"{name}: {what}" for name in p for what in ("coverage", "of the worst class", "mean size", "smallest")]
    header(["level", "bounds", *columns])
    for level, threshold in zip(calibration.conformal.levels, calibration.conformal.thresholds, strict=True):
        bounds = [f">= {level - 0.01:.3f}"] + ([f"<= {level + 0.01:.3f}"] if level in (0.95, 0.99) else [])
        cells = [f"{level}", ", ".join(bounds)]
        for name, probabilities in p.items():
            sets = prediction_sets(probabilities, threshold)
            held = sets[np.arange(len(sets)), truth[name]]
            worst = min(held[truth[name] == k].mean() for k in range(sets.shape[1]))
            size = sets.sum(axis=1)
            cells += [
                f"{held.mean():.4f}{mark(held.mean(), *bounds)}",
                f"{worst:.3f}",
                f"{size.mean():.3f}",
                f"{size.min()}{mark(size.min(), '>= 1')}",
            ]
        row(cells)


def calibration(
    groups: SimilarityGroups, p: dict[str, NDArray[np.float64]], truth: dict[str, NDArray[np.int64]]
) -> None:
    """Print expected calibration errors, beside what probabilities without fault would measure on as many images."""
    header(["images", "class (<= .015)", "group (<= .015)", "share inside the group (<= .015)"])
    rng = np.random.default_rng(SEED)
    for name, probabilities in p.items():
        row([name, *(f"{value:.4f}{mark(value, '<= .015')}" for value in errors(groups, probabilities, truth[name]))])
        drawn = (
            (probabilities.cumsum(axis=1) < rng.random((len(probabilities), 1)))
            .sum(axis=1)
            .clip(0, len(groups.classes) - 1)
        )
        row(
            [
                f"{name}, labels drawn from the answers",
                *(f"{value:.4f}" for value in errors(groups, probabilities, drawn)),
            ]
        )


def errors(groups: SimilarityGroups, p: NDArray[np.float64], truth: NDArray[np.int64]) -> tuple[float, float, float]:
    """Calibration errors of the top class, of its group, and of its share of the group where that holds the truth."""
    rows, top = np.arange(len(p)), p.argmax(axis=1)
    mass = group_probabilities(p, groups)[rows, top]
    right, inside = top == truth, groups.membership[top, truth]
    share = p[rows, top] / mass
    return (
        calibration_error(p[rows, top], right),
        calibration_error(mass, inside),
        calibration_error(share[inside], right[inside]),
    )


def certainty(
    groups: SimilarityGroups,
    p: dict[str, NDArray[np.float64]],
    plain: dict[str, NDArray[np.float64]],
    truth: dict[str, NDArray[np.int64]],
) -> None:
    """Print the share of images with a certain answer and how many of those are right, beside plain top-1's."""
    header(["images", "answer", "share of images", "of them right"])
    for name, probabilities in p.items():
        rows, top = np.arange(len(probabilities)), probabilities.argmax(axis=1)
        right, inside = top == truth[name], groups.membership[top, truth[name]]
        by_class = probabilities[rows, top] >= LEVEL
        by_group = ~by_class & (group_probabilities(probabilities, groups)[rows, top] >= LEVEL)
        plain_top = plain[name].argmax(axis=1)
        plain_sure = plain[name][rows, plain_top] >= LEVEL
        for answer, sure, good in (
            ("plain top-1, one temperature", plain_sure, plain_top == truth[name]),
            ("class", by_class, right),
            ("group", by_group, inside),
            ("class or group", by_class | by_group, np.where(by_class, right, inside)),
            ("top-1 of all images", np.ones_like(by_class), right),
        ):
            row([name, answer, f"{sure.mean():.4f}", f"{good[sure].mean():.4f}"])


def outliers(classifier: Classifier, ordinary: dict[str, NDArray[np.uint8]]) -> None:
    """Print how many images of each kind are called outliers, and how many get a certain answer."""
    header(["images", "called outliers", "certain at class or group level", "certain and not called an outlier"])
    groups, temperature = classifier.manifest.similarity_groups, classifier.manifest.temperature
    for name, images in (ordinary | strange(classifier, ordinary["test"])).items():
        logits, embeddings = look(classifier, images)
        p = class_probabilities(logits, groups, temperature)
        odd = classifier.statistics.is_outlier(embeddings)
        sure = group_probabilities(p, groups)[np.arange(len(p)), p.argmax(axis=1)] >= LEVEL
        row([f"{name} ({len(images):,})", f"{odd.mean():.4f}", f"{sure.mean():.4f}", f"{(sure & ~odd).mean():.4f}"])


def strange(classifier: Classifier, test: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Images that are no clothes, or clothes as the model never saw them."""
    rng, spec = np.random.default_rng(SEED), classifier.manifest.input
    digits = (load_digits().images * 255 / 16).astype(np.uint8)
    enlarged = [Image.fromarray(each).resize((20, 20), Image.Resampling.BILINEAR) for each in digits]
    coarse = rng.integers(0, 256, (2000, 7, 7), dtype=np.uint8)
    return {
        "digits, filling the image": np.stack([to_input(each, spec) for each in digits]),
        "digits, 20 pixels in a black frame": np.pad(np.stack(enlarged), ((0, 0), (4, 4), (4, 4)))[..., None],
        "noise, every pixel uniform": rng.integers(0, 256, (2000, *test.shape[1:]), dtype=np.uint8),
        "noise, 7 x 7 and enlarged": np.stack([to_input(each, spec) for each in coarse]),
        "test, pixels shuffled": rng.permuted(test.reshape(len(test), -1), axis=1).reshape(test.shape),
        "test, inverted": 255 - test,
        "test, upside down": test[:, ::-1],
        "test, turned by a quarter": np.rot90(test, axes=(1, 2)),
        "flat, one of each grey": np.arange(256, dtype=np.uint8)[:, None, None, None].repeat(28, 1).repeat(28, 2),
    }


def header(columns: list[str]) -> None:
    row(columns)
    print("|" + " --- |" * len(columns))


def row(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |")


def mark(value: float, *bounds: str) -> str:
    """Nothing where ``value`` keeps to bounds such as ``<= .01``, else that it misses one."""
    compare = {"<=": operator.le, ">=": operator.ge}
    kept = all(compare[sign](value, float(limit)) for sign, limit in map(str.split, bounds))
    return "" if kept else " **miss**"


if __name__ == "__main__":
    main()
