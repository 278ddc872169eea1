"""The blind controls of an audit's review, drawn once and kept: they are decided about like rows, and are none.

Control ``c`` of an audit of N rows is row ``N + c`` wherever people decide. What is exported, and what is scored again,
ends at row N - 1.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.controls import SETTLED, Controls, draw_controls
from service.audits.folder import AuditFolder
from service.audits.row_index import RowIndex
from service.audits.steps.files import get_arrays, put_arrays
from service.audits.steps.plan import Plan

_FIELDS = ("row", "given", "suggested", "planted", "beside")


def the_controls(folder: AuditFolder) -> Controls:
    """Return the controls of a finished audit; the first time they are drawn, from the answers of that time."""
    path = _file(folder)
    if not path.exists():
        put_arrays(path, _drawn(folder))
    return drawn_controls(folder)


def drawn_controls(folder: AuditFolder) -> Controls:
    """Return the controls if they have been drawn, else none."""
    path = _file(folder)
    if not path.exists():
        none = np.zeros(0, dtype=np.int64)
        return Controls(none, none.astype(np.int32), none.astype(np.int32), none.astype(bool), none)
    return Controls(**get_arrays(path))


def _drawn(folder: AuditFolder) -> dict[str, NDArray[Any]]:
    index, plan = RowIndex.of(folder), Plan.load(folder.path)
    settled = index.trusted | (index.p_wrong <= SETTLED)  # NaN is not
    drawn = draw_controls(
        index.given,
        index.suggested,
        index.flagged & index.pictured,
        settled & index.pictured & (index.suggested >= 0) & (index.given >= 0),
        len(plan.spelling),
        np.random.default_rng(int(folder.id, 16)),
    )
    return {name: getattr(drawn, name) for name in _FIELDS}


def _file(folder: AuditFolder) -> Path:
    return folder.path / "controls.npz"
