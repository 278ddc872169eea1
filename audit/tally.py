"""Exact sums over scored rows, chunk by chunk: what the report needs of rows that nobody holds all at once."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audit.posterior import RowScores


@dataclass(frozen=True)
class Tally:
    """Sums over rows; ``a + b`` is that of both. Added in the chunks' order, they are the same to the last bit."""

    rows: NDArray[np.int64]
    """``[K]``, by given class."""
    trusted: NDArray[np.int64]
    """``[K]``, by given class."""
    flagged: NDArray[np.int64]
    """``[K]``, by given class."""
    given_by_predicted: NDArray[np.int64]
    """``[given, predicted]``: rows that are not trusted."""
    counts: NDArray[np.float64]
    """``[true, given]``: expected number of rows; trusted rows lie on the diagonal."""
    slips: NDArray[np.float64]
    """``[1]``: expected number of labels that are wrong because the image is hard, trusted rows left out."""

    @classmethod
    def of(
        cls,
        probabilities: NDArray[np.floating],
        given: NDArray[np.intp],
        trusted: NDArray[np.bool_],
        scores: RowScores,
    ) -> Self:
        """Sum up the rows of a chunk."""
        K = probabilities.shape[1]
        cells = given[~trusted] * K + scores.predicted[~trusted]
        return cls(
            rows=np.bincount(given, minlength=K),
            trusted=np.bincount(given[trusted], minlength=K),
            flagged=np.bincount(given[scores.flagged], minlength=K),
            given_by_predicted=np.bincount(cells, minlength=K * K).reshape(K, K),
            counts=scores.counts,
            slips=np.array([scores.p_slip[~trusted].sum()]),
        )

    def __add__(self, other: Self) -> Self:
        return type(self)(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return plain arrays, named ``tally_...``."""
        return {f"tally_{each.name}": getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """Read what ``to_arrays`` gave."""
        return cls(**{each.name: arrays[f"tally_{each.name}"] for each in fields(cls)})  # type: ignore[arg-type]
