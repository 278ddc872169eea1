"""What a run learns from: images with given labels, some of which are trusted."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from models.errors import LookalikeError
from models.groups import SimilarityGroups
from training.noise import Noise
from training.transition_noise import TransitionNoise

Protocol = Literal["paper", "verified"]


class TrainingSetError(LookalikeError):
    """The training set can't be made as asked; the message says why."""


@dataclass(frozen=True)
class TrainingLabels:
    """Labels of the training images, all ``[N]``.

    ``index`` points into the data set; ``given`` is the class to learn from, right where ``trusted``; ``original`` is
    what a trusted sample's label said before it was verified (elsewhere equal to ``given``).
    """

    index: NDArray[np.int64]
    given: NDArray[np.int64]
    trusted: NDArray[np.bool_]
    original: NDArray[np.int64]

    @classmethod
    def draw(
        cls,
        index: NDArray[np.integer],
        truth: NDArray[np.int64],
        groups: SimilarityGroups,
        *,
        noise: Noise | TransitionNoise,
        trusted: int,
        protocol: Protocol,
        rng: np.random.Generator,
    ) -> Self:
        """Add noise to true labels and draw a class-balanced trusted set of ``trusted`` samples.

        ``paper``: the ratio counts flips among all N, and the trusted samples come from the unflipped ones.
        ``verified``: all N labels are noisy, and the trusted samples are drawn from all of them and corrected.
        """
        for_noise, for_trust = rng.spawn(2)  # so that runs at several ratios can trust the same samples
        noisy = noise.flip(truth, groups, for_noise)
        chosen = np.zeros(len(truth), dtype=bool)
        classes = len(groups.classes)
        if trusted % classes:
            raise TrainingSetError(f"the trusted set is class-balanced: {trusted} is no multiple of {classes} classes")
        for label in range(classes):
            eligible = np.flatnonzero((truth == label) & ((noisy == truth) if protocol == "paper" else True))
            if len(eligible) < trusted // classes:
                name = groups.classes[label]
                raise TrainingSetError(
                    f"class {name!r} has {len(eligible)} samples to trust, fewer than {trusted // classes}"
                )
            chosen[for_trust.permutation(eligible)[: trusted // classes]] = True
        return cls(np.asarray(index, dtype=np.int64), np.where(chosen, truth, noisy), chosen, noisy)

    def hold_out(self, share: float, rng: np.random.Generator) -> tuple[Self, Self]:
        """Part them into those to train on and a slice of ``share``, the same of every given class.

        The slice is of the trusted samples, where there are some; each class keeps a sample to train on at least.
        """
        eligible = self.trusted if self.trusted.any() else np.ones_like(self.trusted)
        chosen = np.zeros_like(self.trusted)
        for label in np.unique(self.given):
            members = np.flatnonzero(eligible & (self.given == label))
            chosen[rng.permutation(members)[: max(0, min(round(share * len(members)), len(members) - 1))]] = True
        if not chosen.any():
            raise TrainingSetError(f"a slice of {share:g} of the samples holds none: take a larger share, or more")
        return self.take(~chosen), self.take(chosen)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> Self:
        """Some of the samples, by a mask or by rows."""
        return type(self)(self.index[rows], self.given[rows], self.trusted[rows], self.original[rows])

    @property
    def sha256(self) -> str:
        """A checksum of what the file holds: the same for the same labels, noise and trusted samples."""
        digest = hashlib.sha256()
        for array in (self.index, self.given, self.original):
            digest.update(array.astype("<i8").tobytes())
        digest.update(np.packbits(self.trusted).tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file of plain arrays."""
        np.savez_compressed(path, index=self.index, given=self.given, trusted=self.trusted, original=self.original)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["index"], arrays["given"], arrays["trusted"], arrays["original"])
