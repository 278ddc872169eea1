"""What many requests at once must not cost: memory for each large picture, and one index built several times."""

import io
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.audits import row_index

SIDE, AT_ONCE = 5000, 16
DRAWING = SIDE * SIDE * (4 + 3 + 4)
"""Bytes while a picture is drawn: as Pillow decodes it, as an array, and as Pillow draws it."""


def memory(which: str) -> int:
    """Bytes that this process has in memory (`VmRSS`), or had at most (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(which))


def test_many_large_pictures_take_memory_one_after_the_other(service: Any) -> None:
    """Sixteen pictures of 25 megapixels, asked for at the same time, all come, in the memory of a few."""
    picture = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "teal").save(picture, "PNG", compress_level=1)
    images = io.BytesIO()
    with zipfile.ZipFile(images, "w") as archive:
        archive.writestr("large.png", picture.getvalue())
    labels = "image,label,prob_a,prob_b\n" + "large.png,a,0.9,0.1\nlarge.png,b,0.1,0.9\n" * 20
    audit = service.audit(labels, images.getvalue())
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    with ThreadPoolExecutor(AT_ONCE) as people:
        answers = list(people.map(lambda row: service.http.get(f"{audit}/rows/{row}/image?size=64"), range(AT_ONCE)))
    assert {answer.status_code for answer in answers} == {200}
    assert memory("VmHWM") - before < 4 * DRAWING


def test_an_index_is_built_once(service: Any, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests of a page that is opened first, all at the same time, build the index of the rows once."""
    audit = service.audit(kit.labels.read_bytes(), kit.archive)
    built: list[Any] = []
    build = row_index._columns

    def counted(folder: Any) -> Any:
        built.append(folder)
        return build(folder)

    monkeypatch.setattr(row_index, "_columns", counted)
    with ThreadPoolExecutor(8) as people:
        answers = list(people.map(lambda _: service.http.get(f"{audit}/pairs"), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(built) == 1


def test_others_are_answered_while_a_long_answer_is_worded(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """The answer to many images of many classes is put into words beside the event loop, and is the same as ever."""
    image = kit.image(0).read_bytes()
    with start_service(tmp_path, max_images=500, max_queue=500) as service, ThreadPoolExecutor() as pool:
        classifier = service.services.models.get().classifier
        answer, begun, free = classifier.answer, threading.Event(), threading.Event()

        def held(scores: Any, **options: Any) -> Any:
            begun.set()
            assert free.wait(60)
            return answer(scores, **options)

        alone = service.classify(image).json()["predictions"]
        classifier.answer = held
        long = pool.submit(service.classify_many, *[image] * 500)
        try:
            assert begun.wait(60)
            assert service.http.get("/healthz", timeout=10).status_code == 200
        finally:
            free.set()
        assert long.result().json()["predictions"] == alone * 500
