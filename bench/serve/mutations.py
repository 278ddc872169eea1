"""Damaged images, and damaged requests as bytes on the wire: a seed gives the same ones every time."""

import io
import random
import re
import select
import socket
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from json import dumps

from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_AT_ONCE = 16
_PAUSE, _PATIENCE = 0.5, 60
"""Seconds."""
_LENGTH = re.compile(rb"Content-Length: \d+")
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_ODD = (b"\0", b"\r\n", b"\n", b"\xff\xfe", b"%00", b"../", b"-1", b"99999999999999999999", b"ffffffff\r\n", b"{", b'"')
_HEADERS = (
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
    b"Inference-Header-Content-Length: 99999999999\r\n",
    b"Content-Type: multipart/form-data; boundary=\r\n",
    b"Content-Type: \xff\r\n",
    b"If-Match: W/*\r\n",
    b"X: " + b"x" * 100_000 + b"\r\n",
)


def images(picture: bytes, count: int, seed: int) -> Iterator[bytes]:
    """A picture in each format in turn, with bytes changed, cut out, doubled or cut off."""
    chance = random.Random(seed)
    wholes = []
    for name in FORMATS:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(picture)).convert("RGB").save(buffer, name)
        wholes.append(buffer.getvalue())
    for i in range(count):
        yield _damaged(wholes[i % len(wholes)], chance)


def requests(picture: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Requests of each kind in turn: a damaged body of the length that is announced, a damaged head, an odd header."""
    chance = random.Random(seed)
    wholes = _wholes(picture)
    for i in range(count):
        head, _, body = wholes[i % len(wholes)].partition(b"\r\n\r\n")
        match chance.choice(("body", "body", "head", "header")):
            case "body":
                body = _damaged(body, chance)
                head = _LENGTH.sub(b"Content-Length: %d" % len(body), head)
            case "head":
                head = _damaged(head, chance)
            case "header":
                line, _, rest = head.partition(b"\r\n")
                head = line + b"\r\n" + chance.choice(_HEADERS) + rest
        yield head + b"\r\n\r\n" + body


def _wholes(picture: bytes) -> list[bytes]:
    json, form = "application/json", "multipart/form-data; boundary=edge"
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [b64encode(picture).decode()]}
    audit = _form(labels=("labels.csv", b"image,label\n0.png,Shirt\n"), images=("images.zip", b"PK\5\6" + bytes(18)))
    chunked = _whole("POST /v1/classify", "image/png", b"%x\r\n%b\r\n0\r\n\r\n" % (len(picture), picture))
    return [
        _whole("POST /v1/classify?top_k=3&level=0.9", "image/png", picture),
        _whole("POST /v1/classify", form, _form(images=("0.png", picture))),
        _whole("POST /v2/models/fashion-mnist/infer", json, dumps({"inputs": [tensor]}).encode()),
        _whole("POST /v1/audits", form, audit),
        _whole("PATCH /v1/audits/0/rows/0", json, b'{"decision": "relabel", "label": "Shirt"}'),
        _whole("GET /v1/audits/0/rows?sort=row&cursor=0&limit=10", json, b""),
        _LENGTH.sub(b"Transfer-Encoding: chunked", chunked),
    ]


def _whole(line: str, kind: str, body: bytes) -> bytes:
    fields = f"Host: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return f"{line} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + body


def _form(**files: tuple[str, bytes]) -> bytes:
    head = '--edge\r\nContent-Disposition: form-data; name="{}"; filename="{}"\r\n\r\n'
    parts = (head.format(name, filename).encode() + data + b"\r\n" for name, (filename, data) in files.items())
    return b"".join(parts) + b"--edge--\r\n"


def _damaged(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(start + chance.choice((1, 1, 2, 8, 64)), len(data))
        match chance.randrange(6):
            case 0:
                data = data[:start] + chance.randbytes(end - start) + data[end:]
            case 1:
                data = data[:start] + data[end:]
            case 2:
                data = data[:end] + data[start:]
            case 3:
                data = data[:start] + chance.choice(_ODD) + data[start:]
            case 4:
                data = data[:start] + bytes(byte ^ 1 << chance.randrange(8) for byte in data[start:end]) + data[end:]
            case 5 if chance.random() < 0.3:
                data = data[:start]
    return data


def statuses(port: int, requests: Iterable[bytes]) -> Counter[int]:
    """What a server answers, to each on a connection of its own; 0 where it only closes it.

    A connection on which nothing comes for a while is ended from here. Raises ``TimeoutError`` where that is ignored.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return Counter(status for found in pool.map(lambda each: _answers(port, each), requests) for status in found)


def _answers(port: int, request: bytes) -> list[int]:
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as connection:
        try:
            connection.sendall(request)
            while select.select([connection], [], [], _PAUSE)[0]:
                if not (data := connection.recv(1 << 16)):
                    return _found(received)
                received += data
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(1 << 16):
                received += data
        except ConnectionError:
            pass  # it may have had enough before all was sent
    return _found(received)


def _found(received: bytes) -> list[int]:
    return [int(status) for status in _STATUS.findall(received)] or [0]
