"""A finished audit of as many rows as one likes, for the pages: the kit's 600 images over and over.

The steps are the service's own, but for looking at the images: each chunk is written with what the model said of the
600, by the step's own writer. Each row has a hash of its own, so that the copies don't pass for duplicates.
"""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.repository import SHIPPED, ModelRepository
from service.audits.folder import AuditFolder
from service.audits.steps.files import get_arrays, put_arrays
from service.audits.steps.infer import Arrays, inferred_file
from service.audits.steps.options import AuditOptions
from service.audits.steps.plan import Source
from service.audits.steps.work import STEPS, AuditWork
from service.inference.classifier import Classifier
from service.jobs.database import migrate, open_database
from service.jobs.ledger import Ledger
from service.settings import Settings

KIT = Path(__file__).resolve().parents[2] / "examples" / "fashion-mnist"
_WORKER = "bench"


def make_large_audit(data_dir: Path, rows: int) -> str:
    """Leave an audit in a data folder that no service uses at the time; returns its id."""
    (data_dir / "audits").mkdir(parents=True, exist_ok=True)
    classifier = Classifier(ModelRepository(SHIPPED).resolve(), device="cpu")
    header, *lines = (KIT / "labels.csv").read_text().splitlines()
    seen = _look(classifier, len(lines))
    folder = AuditFolder.create(data_dir / "audits")
    text = "".join(f"{lines[row % len(lines)]}\n" for row in range(rows))
    (folder.path / "labels.csv").write_text(f"{header}\n{text}")
    (folder.path / "images").symlink_to(KIT / "images")
    folder.save_options(AuditOptions())
    settings = Settings(data_dir=data_dir)
    engine = open_database(settings.database_url, data_dir)
    migrate(engine)
    ledger = Ledger(engine)
    ledger.submit(folder.id, model="fashion-mnist@1", size=0, owner="local")
    claim = ledger.claim(_WORKER)
    assert claim is not None
    with AuditWork(folder.path, folder.source(), lambda: classifier) as work:
        for step in STEPS:
            chunks = work.chunks(step)
            ledger.advance(claim, step, chunks)
            for chunk, size in enumerate(chunks):
                if step == "infer":
                    _copy(folder.path, chunk, chunk * work.plan.chunk_rows + np.arange(size), seen)
                else:
                    work.run_chunk(step, chunk)
    ledger.end(claim, _WORKER, "succeeded")
    engine.dispose()
    return folder.id


def _look(classifier: Classifier, rows: int) -> Arrays:
    """What the model says of the kit's images, in one chunk."""
    with tempfile.TemporaryDirectory() as name:
        source = Source(KIT / "labels.csv", KIT / "images", AuditOptions())
        with AuditWork(Path(name), source, lambda: classifier, chunk_rows=rows) as work:
            work.run_chunk("plan", 0)
            work.run_chunk("infer", 0)
        return get_arrays(inferred_file(Path(name), 0))


def _copy(folder: Path, chunk: int, rows: NDArray[np.int64], seen: Arrays) -> None:
    at = rows % len(seen["status"])
    arrays = {name: values[at] for name, values in seen.items()}
    arrays["hashes"] = rows.astype(np.uint64) + 1
    arrays["descriptors"] = np.empty((len(rows), 0), dtype=np.int16)
    put_arrays(inferred_file(folder, chunk), arrays)
