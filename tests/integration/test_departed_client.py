"""A client that leaves before its answer: nothing more is done for it."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest


def test_work_for_a_client_that_left_is_dropped(
    start_service: Any, kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    """An image that waits when its client leaves is never decoded, its room is given back, and others are answered."""
    with start_service(tmp_path, inference_threads=1, max_queue=2, max_images=1) as service:
        busy, free, decoded = threading.Event(), threading.Event(), []

        def hold() -> None:
            busy.set()
            assert free.wait(60)

        services = service.services
        services.decoders.submit(hold)
        assert busy.wait(60)
        submit = services.decoders.submit
        waiting = threading.Event()

        def watched(work: Any, *arguments: Any) -> Any:
            future = submit(lambda: (decoded.append(work), work(*arguments))[1])
            waiting.set()
            return future

        monkeypatch.setattr(services.decoders, "submit", watched)
        image = kit.image(0).read_bytes()
        address = (service.http.base_url.host, service.http.base_url.port)
        with socket.create_connection(address, timeout=60) as leaving:
            head = ("POST /v1/classify HTTP/1.1", "Host: x", "Content-Type: image/png", f"Content-Length: {len(image)}")
            leaving.sendall("\r\n".join([*head, "", ""]).encode() + image)
            assert waiting.wait(60)
        eventually(lambda: services.admission.admitted == 0, "the room is given back")
        free.set()
        assert service.classify(image).status_code == 200
        assert len(decoded) == 1
