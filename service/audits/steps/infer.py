"""The second step, chunk by chunk: what the evidence says of each row, before any label is believed or doubted."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labels.images.source import ImageSource
from labels.probabilities import read_probabilities
from service.audits.steps.files import get_array, put_arrays
from service.audits.steps.plan import Plan
from service.inference.classifier import Classifier
from service.look import look

Arrays = Mapping[str, NDArray[Any]]

STATUS = ("scored", "unknown_label", "missing_image", "corrupt_image")


@dataclass(frozen=True)
class Inferred:
    """What ``infer`` left of a chunk of N rows, of which n can be judged. Arrays are read when they are asked for."""

    path: Path

    @classmethod
    def of(cls, folder: Path, chunk: int) -> Self:
        """Find that of a chunk."""
        return cls(inferred_file(folder, chunk))

    @cached_property
    def status(self) -> NDArray[np.uint8]:
        """``[N]``, an index into ``STATUS``."""
        return get_array(self.path, "status")

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """``[n, K]``: the model's logits, or the file's probabilities."""
        return get_array(self.path, "scores")

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """``[n, D]``; D is 0 without images."""
        return get_array(self.path, "embeddings")

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """``[n]``: exact hashes of the images; zeros where there are none."""
        return get_array(self.path, "hashes")

    @cached_property
    def descriptors(self) -> NDArray[np.int16]:
        """``[n, B]``: by which nearly equal images are found; B is 0 without images."""
        return get_array(self.path, "descriptors")

    @cached_property
    def outlier(self) -> NDArray[np.bool_]:
        """``[n]``: the image is unlike those the model was trained on."""
        return get_array(self.path, "outlier")

    @property
    def seen(self) -> NDArray[np.intp]:
        """``[n]``: which of the chunk's rows can be judged."""
        return np.flatnonzero(self.status == 0)


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
    put_arrays(inferred_file(folder, chunk), found)


def _from_images(
    folder: Path,
    plan: Plan,
    chunk: int,
    source: ImageSource,
    classifier: Classifier,
    max_pixels: int,
    threads: Executor,
) -> Arrays:
    labels = plan.labels(folder, chunk)
    known = np.flatnonzero(labels["given"].to_numpy() >= 0)
    names = labels["image"].to_list()
    status = np.full(len(names), STATUS.index("unknown_label"), dtype=np.uint8)
    looks = look([names[row] for row in known], source, classifier, max_pixels=max_pixels, threads=threads)
    status[known] = [STATUS.index(each) for each in looks.status]
    return {
        "status": status,
        "scores": looks.logits,
        "embeddings": looks.embeddings,
        "hashes": looks.hashes,
        "descriptors": looks.descriptors,
        "outlier": classifier.statistics.is_outlier(looks.embeddings),
    }


def _from_columns(folder: Path, plan: Plan, chunk: int) -> Arrays:
    known = plan.labels(folder, chunk)["given"].to_numpy() >= 0
    scores = read_probabilities(plan.input(folder, chunk), plan.classes, chunk * plan.chunk_rows + 1)[known]
    n = len(scores)
    return {
        "status": np.where(known, 0, STATUS.index("unknown_label")).astype(np.uint8),
        "scores": scores.astype(np.float32),
        "embeddings": np.empty((n, 0), dtype=np.float32),
        "hashes": np.zeros(n, dtype=np.uint64),
        "descriptors": np.empty((n, 0), dtype=np.int16),
        "outlier": np.zeros(n, dtype=bool),
    }
