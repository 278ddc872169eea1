"""How the outlier score was chosen: candidates on images made for the choice from validation images and other pictures.

None of these kinds is among those that ``bench/answers.py`` reports. Every score is fitted on half of the validation
images, and its threshold lets 1 % of the other half be called outliers.
"""

from collections.abc import Callable

import numpy as np
from answers import header, look, row
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

from models.embedding import ALARM_RATE
from models.preprocessing import to_input
from models.repository import SHIPPED, ModelRepository
from service.inference.classifier import Classifier
from training.data import load_fashion_mnist

N = 1500
Array = NDArray[np.float64]
Score = Callable[[Array, Array], Array]
"""Logits and embeddings to how strange each image is."""


def main() -> None:
    classifier, data = Classifier(ModelRepository(SHIPPED).resolve(), device="cpu"), load_fashion_mnist(None)
    held_out = data.split.validation
    images, labels = data.images[held_out], data.labels[held_out]
    logits, embeddings = (each.astype(np.float64) for each in look(classifier, images))
    by_class = np.argsort(labels, kind="stable")
    fit, rest = by_class[::2], by_class[1::2]
    kinds = {name: look(classifier, each) for name, each in strange(images[np.sort(rest)[:N]], classifier).items()}
    header(["score", *kinds, "mean"])
    for name, score in candidates(embeddings[fit], labels[fit]).items():
        threshold = np.quantile(score(logits[rest], embeddings[rest]), 1 - ALARM_RATE)
        power = [(score(*(each.astype(np.float64) for each in seen)) > threshold).mean() for seen in kinds.values()]
        row([name, *(f"{value:.3f}" for value in power), f"{np.mean(power):.3f}"])


def candidates(embeddings: Array, labels: NDArray[np.int64]) -> dict[str, Score]:
    def mahalanobis(features: Callable[[Array], Array], ridge: float) -> Score:
        x = features(embeddings)
        means = np.stack([x[labels == k].mean(axis=0) for k in np.unique(labels)])
        covariance = np.cov((x - means[labels]).T)
        covariance += ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        whitening = np.linalg.cholesky(np.linalg.inv(covariance))
        return lambda _, e: np.min([(((features(e) - mean) @ whitening) ** 2).sum(axis=1) for mean in means], axis=0)

    def nearest(_: Array, e: Array) -> Array:
        return -np.partition(direction(e) @ direction(embeddings).T, -10, axis=1)[:, -10]

    return {
        "embedding, ridge .001": mahalanobis(lambda e: e, 1e-3),
        "embedding, ridge .1": mahalanobis(lambda e: e, 0.1),
        "direction, ridge .001": mahalanobis(direction, 1e-3),
        "direction, ridge .1": mahalanobis(direction, 0.1),
        "direction, ridge 1": mahalanobis(direction, 1.0),
        "direction and log length, ridge .1": mahalanobis(polar, 0.1),
        "10th nearest direction of 5,000": nearest,
        "energy": lambda logits, _: -np.log(np.exp(logits).sum(axis=1)),
        "largest probability": lambda logits, _: -np.exp(logits.max(axis=1)) / np.exp(logits).sum(axis=1),
    }


def direction(e: Array) -> Array:
    return e / np.linalg.norm(e, axis=1, keepdims=True)


def polar(e: Array) -> Array:
    return np.column_stack([direction(e), np.log(np.linalg.norm(e, axis=1))])


def strange(clothes: NDArray[np.uint8], classifier: Classifier) -> dict[str, NDArray[np.uint8]]:
    rng, spec = np.random.default_rng(7), classifier.manifest.input
    coarse = rng.integers(0, 256, (N, 7, 7), dtype=np.uint8)
    smooth = [Image.fromarray(each).resize((28, 28), Image.Resampling.BICUBIC) for each in coarse]
    noisy = clothes + rng.normal(0, 50, clothes.shape)
    return {
        "letters": np.stack([letter(rng) for _ in range(N)]),
        "pieces of photos": np.stack([to_input(piece(rng), spec) for _ in range(N)]),
        "four quarters mixed": np.stack([jigsaw(each, 2, rng) for each in clothes]),
        "sixteen pieces mixed": np.stack([jigsaw(each, 4, rng) for each in clothes]),
        "smooth noise": np.stack(smooth)[..., None],
        "two images blended": ((clothes.astype(int) + rng.permutation(clothes)) // 2).astype(np.uint8),
        "noise added": noisy.clip(0, 255).astype(np.uint8),
    }


def letter(rng: np.random.Generator) -> NDArray[np.uint8]:
    image = Image.new("L", (28, 28))
    ImageDraw.Draw(image).text(
        (14 + rng.integers(-3, 4), 14 + rng.integers(-3, 4)),
        rng.choice(list("ABCDEFGHJKLMNPQRSTUVWXYZabdefghkmnqrty")),
        fill=int(rng.integers(120, 256)),
        font=ImageFont.load_default(int(rng.integers(16, 27))),
        anchor="mm",
    )
    return np.asarray(image.rotate(float(rng.uniform(-20, 20)), Image.Resampling.BILINEAR))[..., None]


PHOTOS = load_sample_images().images


def piece(rng: np.random.Generator) -> NDArray[np.uint8]:
    photo, side = PHOTOS[rng.integers(len(PHOTOS))], int(rng.integers(28, 300))
    top, left = (rng.integers(length - side) for length in photo.shape[:2])
    return np.ascontiguousarray(photo[top : top + side, left : left + side])


def jigsaw(image: NDArray[np.uint8], pieces: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    side = 28 // pieces
    tiles = image.reshape(pieces, side, pieces, side).swapaxes(1, 2).reshape(-1, side, side)
    mixed = rng.permutation(tiles).reshape(pieces, pieces, side, side)
    return mixed.swapaxes(1, 2).reshape(28, 28, 1)


if __name__ == "__main__":
    main()
