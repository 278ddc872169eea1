"""The server, killed while a preview comes."""

import os
import socket
import time
from pathlib import Path
from typing import Any

from service.audits.abandoned import ABANDONED_SECONDS

START = b'--XX\r\nContent-Disposition: form-data; name="labels"; filename="l.csv"\r\n\r\nimage,label\r\n'


def test_what_a_killed_preview_leaves_is_swept(
    lookalike: Any, kit: Any, serving: Any, eventually: Any, tmp_path: Path
) -> None:
    """What had come of a preview at kill -9 is no audit after the restart, and a day later the worker removes it."""
    audits = tmp_path / "data" / "audits"
    process = lookalike.process("serve", "--port", "0")
    with (
        serving(process) as (client, _),
        socket.create_connection((client.base_url.host, client.base_url.port), timeout=60) as connection,
    ):
        head = (
            "POST /v1/audits/preview HTTP/1.1",
            "Host: localhost",
            "Content-Type: multipart/form-data; boundary=XX",
            "Content-Length: 3000000",
        )
        connection.sendall("\r\n".join([*head, "", ""]).encode() + START + b"a.png,Coat\r\n" * 100_000)
        eventually(lambda: any(path.stat().st_size for path in audits.glob("*/labels.csv")), "some of it is written")
        process.kill()
        process.wait(60)
    (left,) = audits.iterdir()
    long_ago = time.time() - ABANDONED_SECONDS - 60
    for path in (*left.iterdir(), left):
        os.utime(path, (long_ago, long_ago))
    with serving(lookalike.process("serve", "--port", "0")) as (client, _):
        assert client.get("/v1/audits").json()["audits"] == []
        files = {"labels": ("l.csv", b"image,label\n000.png,Coat\n"), "images": ("i.zip", kit.archive)}
        assert client.post("/v1/audits", files=files).status_code == 202
        eventually(lambda: not left.exists(), "the worker sweeps")
