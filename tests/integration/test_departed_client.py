"""A client that leaves before its answer: nothing more is done for it."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


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
