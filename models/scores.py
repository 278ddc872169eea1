"""What a model says of a batch of images, as arrays: its outputs, and the distribution that follows from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.distribution import class_probabilities, group_probabilities
from models.embedding import EmbeddingStatistics
from models.manifest import Manifest


@dataclass(frozen=True, eq=False)  # arrays have no one truth value
class Scores:
    """Of N images, K classes and an embedding of D numbers. An encoder's have K = 0."""

    logits: NDArray[np.float32]
    """``[N, K]``."""
    embeddings: NDArray[np.float32]
    """``[N, D]``."""
    probabilities: NDArray[np.float64]
    """``[N, K]``: calibrated where the model is; rows sum to 1."""
    group_probabilities: NDArray[np.float64]
    """``[N, K]``: for each class the mass of its group."""
    ranking: NDArray[np.intp]
    """``[N, K]``: the classes of each image by falling probability."""
    outliers: NDArray[np.bool_]
    """``[N]``: whether an image is unlike anything that the model was trained on."""

    @classmethod
    def of(
        cls,
        logits: NDArray[np.float32],
        embeddings: NDArray[np.float32],
        manifest: Manifest,
        statistics: EmbeddingStatistics,
    ) -> Self:
        """Apply the manifest's temperature and groups to a graph's outputs.

        Without calibration the probabilities are the softmax of the logits.
        """
        groups = manifest.similarity_groups
        probabilities = (
            np.empty(logits.shape) if manifest.is_encoder else class_probabilities(logits, groups, manifest.temperature)
        )
        return cls(
            logits,
            embeddings,
            probabilities,
            group_probabilities(probabilities, groups),
            np.argsort(-probabilities, axis=1, kind="stable"),
            statistics.is_outlier(embeddings),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put the scores of several batches one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate(arrays) for arrays in zip(*(part.arrays() for part in parts), strict=True)))

    def split(self, sizes: Sequence[int]) -> Iterator[Self]:
        """Cut into runs of so many images, views of the same memory; raises ``ValueError`` unless they sum to N."""
        if sum(sizes) != len(self):
            raise ValueError(f"scores of {len(self)} images for {sum(sizes)}")
        start = 0
        for size in sizes:
            yield type(self)(*(array[start : start + size] for array in self.arrays()))
            start += size

    def __len__(self) -> int:
        return len(self.embeddings)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All of them, each ``[N, ...]``, in the order of the fields."""
        return (
            self.logits,
            self.embeddings,
            self.probabilities,
            self.group_probabilities,
            self.ranking,
            self.outliers,
        )
