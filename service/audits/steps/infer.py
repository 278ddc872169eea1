"""The second step, chunk by chunk: what the evidence says of each row, before any label is believed or doubted."""

from concurrent.futures import Executor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labels.images.source import ImageSource
from labels.probabilities import read_probabilities
from service.audits.steps.files import get_arrays, put_arrays
from service.audits.steps.plan import Plan
from service.inference.classifier import Classifier
from service.look import look

STATUS = ("scored", "unknown_label", "missing_image", "corrupt_image")


@dataclass(frozen=True)
class Inferred:
    """A chunk of N rows, of which n can be judged."""

    status: NDArray[np.uint8]
    """``[N]``, an index into ``STATUS``."""
    scores: NDArray[np.float32]
    """``[n, K]``: the model's logits, or the file's probabilities."""
    embeddings: NDArray[np.float32]
    """``[n, D]``; D is 0 without images."""
    hashes: NDArray[np.uint64]
    """``[n]``: exact hashes of the images; zeros where there are none."""
    descriptors: NDArray[np.int16]
    """``[n, B]``: by which nearly equal images are found; B is 0 without images."""
    outlier: NDArray[np.bool_]
    """``[n]``: the image is unlike those the model was trained on."""

    @property
    def seen(self) -> NDArray[np.intp]:
        """``[n]``: which of the chunk's rows can be judged."""
        return np.flatnonzero(self.status == 0)

    def only(self, picked: NDArray[np.bool_]) -> Self:
        """Take some of the n rows."""
        return type(self)(
            status=self.status,
            scores=self.scores[picked],
            embeddings=self.embeddings[picked],
            hashes=self.hashes[picked],
            descriptors=self.descriptors[picked],
            outlier=self.outlier[picked],
        )

    @classmethod
    def load(cls, folder: Path, chunk: int) -> Self:
        """Read a chunk that was left by ``infer``."""
        return cls(**get_arrays(inferred_file(folder, chunk)))


def inferred_file(folder: Path, chunk: int) -> Path:
    """Where the object of a chunk lies."""
    return folder / "infer" / f"{chunk:06}.npz"


def infer(
    folder: Path,
    plan: Plan,
    chunk: int,
    *,
    source: ImageSource | None,
    classifier: Classifier | None,
    max_pixels: int,
    threads: Executor,
) -> None:
    """Look at a chunk's images, or read its probabilities."""
    if plan.basis == "columns":
        found = _from_columns(folder, plan, chunk)
    else:
        assert source is not None
        assert classifier is not None
        found = _from_images(folder, plan, chunk, source, classifier, max_pixels, threads)
    put_arrays(inferred_file(folder, chunk), {each.name: getattr(found, each.name) for each in fields(found)})


def _from_images(
    folder: Path,
    plan: Plan,
    chunk: int,
    source: ImageSource,
    classifier: Classifier,
    max_pixels: int,
    threads: Executor,
) -> Inferred:
    labels = plan.labels(folder, chunk)
    known = np.flatnonzero(labels["given"].to_numpy() >= 0)
    names = labels["image"].to_list()
    status = np.full(len(names), STATUS.index("unknown_label"), dtype=np.uint8)
    looks = look([names[row] for row in known], source, classifier, max_pixels=max_pixels, threads=threads)
    status[known] = [STATUS.index(each) for each in looks.status]
    return Inferred(
        status=status,
        scores=looks.logits,
        embeddings=looks.embeddings,
        hashes=looks.hashes,
        descriptors=looks.descriptors,
        outlier=classifier.statistics.is_outlier(looks.embeddings),
    )


def _from_columns(folder: Path, plan: Plan, chunk: int) -> Inferred:
    known = plan.labels(folder, chunk)["given"].to_numpy() >= 0
    scores = read_probabilities(plan.input(folder, chunk), plan.classes, chunk * plan.chunk_rows + 1)[known]
    n = len(scores)
    return Inferred(
        status=np.where(known, 0, STATUS.index("unknown_label")).astype(np.uint8),
        scores=scores.astype(np.float32),
        embeddings=np.empty((n, 0), dtype=np.float32),
        hashes=np.zeros(n, dtype=np.uint64),
        descriptors=np.empty((n, 0), dtype=np.int16),
        outlier=np.zeros(n, dtype=bool),
    )
