"""How fast a whole audit is beside decoding its images and running the graph alone, both on one core, in turns.

The audit reads 10,000 PNGs of the reserve out of a zip file, with all its steps up to rows.parquet and report.json. The
limit it is held against reads, decodes and resizes the same members and runs the same graph in batches of 64. Time is
CPU time: on one core that is what an undisturbed run takes. (On more, threads that share a core's caches and units
take more of it for the same work, whatever the work is.)
"""

import io
import os
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from data import part, shipped
from PIL import Image

from labels.images.opening import open_image_source
from models.images import decode_image
from models.preprocessing import to_input
from models.repository import SHIPPED, ModelRepository
from service.audits.run import run_audit
from service.audits.steps.options import AuditOptions
from service.inference.classifier import Classifier

ROUNDS = 5
BATCH = 64


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    seen, manifest = part("reserve"), shipped()
    classifier = Classifier(ModelRepository(SHIPPED).resolve(), device="cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = [f"{i:05}.png" for i in range(len(seen.truth))]
        with zipfile.ZipFile(folder / "images.zip", "w") as archive:
            for each, image in zip(names, seen.images, strict=True):
                buffer = io.BytesIO()
                Image.fromarray(image[:, :, 0]).save(buffer, "PNG")
                archive.writestr(each, buffer.getvalue())
        labels = "image,label\n" + "".join(
            f"{each},{manifest.classes[k]}\n" for each, k in zip(names, seen.truth.tolist(), strict=True)
        )
        (folder / "labels.csv").write_text(labels)
        ratios = []
        for _ in range(ROUNDS):
            start = time.process_time()
            with open_image_source(folder / "images.zip") as source:
                for at in range(0, len(names), BATCH):
                    batch = [
                        to_input(decode_image(source.read(each)), manifest.input) for each in names[at : at + BATCH]
                    ]
                    classifier.infer(np.stack(batch))
            limit = time.process_time() - start
            start = time.process_time()
            run_audit(folder / "labels.csv", folder / "images.zip", AuditOptions(), lambda: classifier, folder / "out")
            ours = time.process_time() - start
            ratios.append(limit / ours)
            print(
                f"decode and graph {len(names) / limit:.0f} images/s, whole audit {len(names) / ours:.0f}: "
                f"{limit / ours:.2f} of the limit"
            )
    print(f"median {np.median(ratios):.2f} (aim >= 0.9)")


if __name__ == "__main__":
    main()
