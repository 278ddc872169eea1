"""One audit's work: which chunks each step has, and how to run one of them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from labels.images.opening import open_image_source
from labels.images.source import ImageSource
from models.images import DEFAULT_MAX_PIXELS
from service.audits.steps.finish import finish
from service.audits.steps.fit import fit, fit_file
from service.audits.steps.infer import infer, inferred_file
from service.audits.steps.plan import Plan, Source, plan
from service.audits.steps.score import score, scored_file
from service.inference.classifier import Classifier

Step = Literal["plan", "infer", "fit", "score", "finish"]
STEPS: tuple[Step, ...] = ("plan", "infer", "fit", "score", "finish")
PHASES: dict[Step, str] = {
    "plan": "reading the labels",
    "infer": "looking at images",
    "fit": "estimating the noise",
    "score": "scoring",
    "finish": "writing",
}
"""What a step is called before people."""
CHUNK_ROWS = 2000


class AuditWork:
    """The steps of one audit over its files. Closing it releases the images; whatever was run stays done.

    ``folder`` keeps the steps' objects, ``answers`` gets ``rows.parquet`` and ``report.json``. ``classifier`` loads
    the model the first time a step needs it; it returns None where the audit goes by the file's own probabilities.
    """

    def __init__(
        self,
        folder: Path,
        source: Source,
        classifier: Callable[[], Classifier | None],
        *,
        answers: Path | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        chunk_rows: int = CHUNK_ROWS,
        threads: int | None = None,
    ) -> None:
        self.folder, self.source, self.answers = folder, source, answers or folder
        self._load, self._max_pixels, self._chunk_rows = classifier, max_pixels, chunk_rows
        self._closing = ExitStack()
        self._workers = threads or len(os.sched_getaffinity(0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def chunks(self, step: Step) -> list[int]:
        """Rows in each chunk of a step; those of the steps after ``plan`` are known when it has been run."""
        if step == "plan":
            return [0]
        return self.plan.chunks if step in {"infer", "score"} else [self.plan.rows]

    def rows_of(self, step: Step, chunk: int) -> str:
        """Name the rows of a chunk, counted from 1."""
        if step not in {"infer", "score"}:
            return f"step ({PHASES[step]})"
        first = chunk * self.plan.chunk_rows + 1
        return f"rows {first} to {first + self.plan.chunks[chunk] - 1}"

    def run_chunk(self, step: Step, chunk: int, revision: int = 0) -> None:
        """Run one chunk of a step, unless it has been: running one twice, or twice at a time, changes nothing.

        Raises a ``LookalikeError`` for what the person who uploaded must change; ``OSError`` where the disk fails.
        """
        match step:
            case "plan":
                if not (self.folder / "plan").exists():
                    plan(self.source, self.folder, self._classifier, self._chunk_rows)
            case "infer":
                if not inferred_file(self.folder, chunk).exists():
                    infer(
                        self.folder,
                        self.plan,
                        chunk,
                        source=self._images,
                        classifier=self._classifier,
                        max_pixels=self._max_pixels,
                        threads=self._threads,
                    )
            case "fit":
                if not fit_file(self.folder, revision).exists():
                    fit(self.folder, self.plan, self.source.options, self._classifier, revision)
            case "score":
                if not scored_file(self.folder, chunk, revision).exists():
                    score(self.folder, self.plan, self.source.options, self._classifier, chunk, revision)
            case "finish":
                finish(self.folder, self.plan, self.source.options, self._classifier, revision, self.answers)

    @cached_property
    def plan(self) -> Plan:
        """What the first step settled."""
        return Plan.load(self.folder)

    @cached_property
    def _classifier(self) -> Classifier | None:
        return self._load()

    @cached_property
    def _images(self) -> ImageSource | None:
        if self.plan.basis == "columns" or self.source.images is None:
            return None
        return self._closing.enter_context(open_image_source(self.source.images))

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return self._closing.enter_context(ThreadPoolExecutor(self._workers, thread_name_prefix="look"))
