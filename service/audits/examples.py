"""Images beside which a doubtful one is judged: those most like it among the ones whose label is sure.

However large an audit is, no more than a few pieces of it are looked at, the same for each row.
"""

import numpy as np
from numpy.typing import NDArray

from audit.controls import SETTLED
from service.audits.folder import AuditFolder
from service.audits.row_index import RowIndex
from service.audits.steps.infer import Inferred
from service.audits.steps.plan import Plan

_MOST_CHUNKS = 8


def nearest_examples(
    folder: AuditFolder, index: RowIndex, plan: Plan, row: int, classes: tuple[int, ...], count: int
) -> list[list[int]]:
    """Return for each class up to ``count`` rows whose label is sure, the nearest in the model's embedding first.

    A class that is in none of the pieces gives those whose label is the surest. No image comes twice.
    """
    sure = index.pictured & ~index.flagged & (index.trusted | (index.p_wrong <= SETTLED))
    chunks = np.unique(np.linspace(0, len(plan.chunks) - 1, _MOST_CHUNKS).round().astype(int)).tolist()
    seen = [Inferred.of(folder.path, chunk) for chunk in chunks]
    rows = np.concatenate([chunk * plan.chunk_rows + each.seen for chunk, each in zip(chunks, seen, strict=True)])
    embeddings = np.concatenate([each.embeddings for each in seen])
    hashes = np.concatenate([each.hashes for each in seen])
    own = Inferred.of(folder.path, row // plan.chunk_rows)
    itself = own.seen == row % plan.chunk_rows
    found: list[list[int]] = []
    for each in classes:
        at = np.flatnonzero(
            sure[rows] & (index.given[rows] == each) & (rows != row) & ~np.isin(hashes, own.hashes[itself])
        )
        if len(at) and itself.any():
            at = at[_by_distance(embeddings[at], own.embeddings[itself])]
            _, first = np.unique(hashes[at], return_index=True)
            found.append(rows[at[np.sort(first)]][:count].tolist())
        else:
            others = np.flatnonzero(sure & (index.given == each))
            surest = others[np.argsort(index.p_wrong[others], kind="stable")]
            found.append(surest[surest != row][:count].tolist())
    return found


def _by_distance(embeddings: NDArray[np.float32], itself: NDArray[np.float32]) -> NDArray[np.intp]:
    return np.argsort(((embeddings - itself) ** 2).sum(axis=1), kind="stable")
