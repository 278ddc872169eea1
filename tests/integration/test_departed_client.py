"""A client that leaves before its answer: nothing more is done for it."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def test_work_for_a_client_that_left_is_dropped(start_service: Any, kit: Any, tmp_path: Path, eventually: Any) -> None:
    """An image that waits when its client leaves is never run, its room is given back, and others are answered."""
    with start_service(tmp_path, inference_threads=1) as service, ThreadPoolExecutor() as pool:
        loaded = service.services.models.get()
        model, busy, free, seen = loaded.queue.model, threading.Event(), threading.Event(), []

        class Held:
            def score(self, images: Any) -> Any:
                seen.append(len(images))
                busy.set()
                assert free.wait(60)
                return model.score(images)

        loaded.queue.model = Held()
        image = kit.image(0).read_bytes()
        running = pool.submit(service.classify, image)
        assert busy.wait(60)
        address = (service.http.base_url.host, service.http.base_url.port)
        with socket.create_connection(address, timeout=60) as leaving:
            head = (
                "POST /v1/classify HTTP/1.1",
                "Host: localhost",
                "Content-Type: image/png",
                f"Content-Length: {len(image)}",
            )
            leaving.sendall("\r\n".join([*head, "", ""]).encode() + image)
            eventually(lambda: loaded.admission.admitted == 2, "the image waits")
        eventually(lambda: loaded.admission.admitted == 1, "its room is given back")
        free.set()
        assert running.result().status_code == 200
        assert service.classify(image).status_code == 200
        assert seen == [1, 1]


def test_images_of_a_client_that_left_are_not_decoded(start_service: Any, tmp_path: Path, eventually: Any) -> None:
    """Of a form whose client leaves nothing is decoded any more but what a thread has begun with."""
    buffer = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8)).save(buffer, "PNG")
    image = buffer.getvalue()
    part = b'--XX\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n' + image + b"\r\n"
    form = part * 8 + b"--XX--\r\n"
    with start_service(tmp_path, inference_threads=1) as service:
        loaded = service.services.models.get()
        histogram, begun, free, seen = loaded.metrics.decode, threading.Event(), threading.Event(), []

        class Held:
            def observe(self, seconds: float) -> None:
                seen.append(seconds)
                begun.set()
                assert free.wait(60)

        loaded.metrics.decode = Held()
        with socket.create_connection((service.http.base_url.host, service.http.base_url.port), timeout=60) as leaving:
            head = (
                "POST /v1/classify HTTP/1.1",
                "Host: localhost",
                "Content-Type: multipart/form-data; boundary=XX",
                f"Content-Length: {len(form)}",
            )
            leaving.sendall("\r\n".join([*head, "", ""]).encode() + form)
            assert begun.wait(60)
        eventually(lambda: loaded.admission.admitted == 0, "their room is given back")
        free.set()
        assert service.classify(image).status_code == 200
        assert len(seen) == 2
        loaded.metrics.decode = histogram
