"""A whole audit in one process, as the command runs it."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.images import DEFAULT_MAX_PIXELS
from service.audits.steps.finish import REPORT
from service.audits.steps.options import AuditOptions
from service.audits.steps.plan import Source
from service.audits.steps.work import CHUNK_ROWS, PHASES, STEPS, AuditWork
from service.inference.classifier import Classifier

Progress = Callable[[str, int, int], None]
"""Called with the phase, the rows done in it and the rows in all; may raise to stop the work."""


def run_audit(
    labels: Path | None,
    images: Path | None,
    options: AuditOptions,
    classifier: Callable[[], Classifier | None],
    out: Path,
    *,
    progress: Progress = lambda *_: None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    chunk_rows: int = CHUNK_ROWS,
) -> dict[str, Any]:
    """Write ``rows.parquet`` and ``report.json`` of an audit into the folder ``out``; returns the report.

    Without ``labels`` the images say themselves what they show (``labels.labelled_images``). Both files appear whole or
    not at all, the report last. Raises a ``LookalikeError`` that says what to change where the upload can't be audited;
    a row that can't be judged is no error, it comes back with its status.
    """
    source = Source(labels, images, options)
    with (
        _folder(out),
        tempfile.TemporaryDirectory(dir=out, prefix=".audit-") as folder,
        AuditWork(Path(folder), source, classifier, answers=out, max_pixels=max_pixels, chunk_rows=chunk_rows) as work,
    ):
        for step in STEPS:
            chunks = work.chunks(step)
            done, total = 0, sum(chunks)
            for chunk, rows in enumerate(chunks):
                progress(PHASES[step], done, total)
                work.run_chunk(step, chunk)
                done += rows
            progress(PHASES[step], done, total)
    report: dict[str, Any] = json.loads((out / REPORT).read_bytes())
    return report


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Make a folder; if nothing comes to lie in it, it goes again."""
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if made and not any(path.iterdir()):
            path.rmdir()
