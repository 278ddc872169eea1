"""Uploads as they come off the wire: whole or not at all, in pieces of any size; of those that fail nothing is left."""

import asyncio
import resource
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from service.http.bodies import BodyError, BodyTooLargeError
from service.uploads import Upload, receive

FILES = {"labels": (".csv", ".jsonl"), "images": (".zip", ".tar.gz")}
TEXTS = ("model", "evidence")


def part(name: str, content: bytes, file_name: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + ("" if file_name is None else f'; filename="{file_name}"')
    return f"--XX\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


LABELS = part("labels", b"image,label\n", "my labels.CSV")
IMAGES = part("images", b"PK", "x.tar.gz")


def receiving(
    into: Path,
    body: bytes,
    *,
    cuts: tuple[int, ...] = (),
    content_type: str = "multipart/form-data; boundary=XX",
    headers: dict[str, str] | None = None,
    leaves: bool = False,
    **limits: Any,
) -> Upload:
    """Receive a body that comes in pieces, cut at the given places."""
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[start:stop] for start, stop in pairwise(places)]
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        + [{"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b"", "more_body": False}]
    )

    async def next_message() -> dict[str, Any]:
        return next(messages)

    sent = {"content-type": content_type} | (headers or {})
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }
    request = Request(scope, next_message)
    return asyncio.run(receive(request, into, files=FILES, texts=TEXTS, **({"limit": 10_000_000} | limits)))


def test_a_form_becomes_files_and_texts(tmp_path: Path) -> None:
    """Files lie in the folder under their field's name and a known ending, texts come as they were sent."""
    found = receiving(tmp_path, form(part("model", "Größe".encode()), LABELS, part("evidence", b""), IMAGES))
    assert found.fields == {"model": "Größe", "evidence": ""}
    assert found.files == {"labels": tmp_path / "labels.csv", "images": tmp_path / "images.tar.gz"}
    assert found.files["labels"].read_bytes() == b"image,label\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.tar.gz", "labels.csv"]


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    """A file of no bytes arrives as one: what is wrong with it, the audit says."""
    assert receiving(tmp_path, form(part("labels", b"", "l.csv"))).files["labels"].read_bytes() == b""


PIECES = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"--X", b"\r\n--X", b"XX", b"a", b"\0", b"\xff"])
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=PIECES, cuts=st.lists(st.integers(0, 400), max_size=8).map(tuple))
def test_any_bytes_in_any_pieces_arrive_as_sent(tmp_path: Path, pieces: list[bytes], cuts: tuple[int, ...]) -> None:
    """Contents that look much like a boundary arrive to the byte, wherever the network cuts them."""
    content = b"".join(pieces)
    assume(b"\r\n--XX" not in b"\r\n" + content)  # that would be the boundary itself
    folder = tmp_path / "upload"
    folder.mkdir()
    try:
        found = receiving(folder, form(part("labels", content, "l.csv"), IMAGES, part("model", b"m")), cuts=cuts)
        assert found.files["labels"].read_bytes() == content
        assert found.files["images"].read_bytes() == b"PK"
        assert found.fields == {"model": "m"}
    finally:
        shutil.rmtree(folder)


def test_large_files_arrive_whole(tmp_path: Path) -> None:
    """Megabytes in network-sized pieces arrive as sent."""
    content = bytes(range(256)) * 20_000
    cuts = tuple(range(0, len(content), 65_536))
    found = receiving(tmp_path, form(part("images", content, "i.zip"), LABELS), cuts=cuts)
    assert found.files["images"].read_bytes() == content


BAD: dict[str, tuple[bytes, str]] = {
    "two files": (form(LABELS, IMAGES, LABELS), "exactly one file in the field `labels`"),
    "two texts": (form(part("model", b"a"), part("model", b"b")), "model: send it once"),
    "unknown field": (form(LABELS, part("colour", b"red")), "colour: there is no such field"),
    "option as a file": (form(LABELS, part("model", b"a", "m.txt")), "model: send it as text"),
    "unknown file": (form(LABELS, part("extra", b"a", "m.zip")), "extra: send it as text"),
    "file as text": (form(part("labels", b"image,label")), "labels: send files (with a filename)"),
    "no filename": (form(part("labels", b"", "")), "labels: the file's name must end in one of .csv, .jsonl"),
    "wrong ending": (form(part("labels", b"", "labels.csv.exe")), "must end in one of"),
    "not text": (form(LABELS, part("model", b"\xff\xfe")), "model: the text is not UTF-8"),
    "no boundary at the end": (b"".join([LABELS, IMAGES]), "last boundary is missing"),
    "nothing": (b"", "last boundary is missing"),
    "no form": (b"hello", "malformed form"),
    "no name": (b"--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--\r\n", "Content-Disposition"),
    "no headers": (b"--XX\r\n\r\nx\r\n--XX--\r\n", "Content-Disposition"),
    "another disposition": (b'--XX\r\nContent-Disposition: attachment; name="model"\r\n\r\n', "Content-Disposition"),
    "long header": (b"--XX\r\nContent-Disposition: " + b"x" * 100_000, "malformed form"),
    "many headers": (b"--XX\r\n" + b"A: b\r\n" * 1000, "malformed form"),
    "long file name": (form(part("labels", b"", "x" * 100_000 + ".csv")), "malformed form"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("piece", [7, 1_000_000])
def test_a_bad_form_says_what_is_wrong_and_leaves_nothing(tmp_path: Path, name: str, piece: int) -> None:
    """What can't be accepted is refused by what is wrong with it, and no file stays behind."""
    body, said = BAD[name]
    with pytest.raises(BodyError) as refused:
        receiving(tmp_path, body, cuts=tuple(range(0, len(body), piece)))
    assert said in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content_type", "said"),
    [
        ("application/json", "send the request as multipart/form-data"),
        ("", "send the request as multipart/form-data"),
        ("multipart/form-data", "Missing boundary"),
        ("multipart/form-data; boundary=", "Missing boundary"),
        ("multipart/form-data; boundary=" + "X" * 1000, "malformed form"),
    ],
)
def test_a_body_that_is_no_form_is_refused(tmp_path: Path, content_type: str, said: str) -> None:
    """Another type of body, or one without a usable boundary, is refused by its header."""
    with pytest.raises(BodyError) as refused:
        receiving(tmp_path, form(LABELS), content_type=content_type)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "file_name", ["../../labels.csv", "/etc/x.csv", "C:\\x.csv", "\0.csv", ".csv", "a\u202e.CSV", "-rf .csv"]
)
def test_a_clients_file_name_is_no_path(tmp_path: Path, file_name: str) -> None:
    """Whatever a client calls its file, it is kept as ``labels.csv`` in its folder, and nowhere else."""
    folder = tmp_path / "upload"
    folder.mkdir()
    assert receiving(folder, form(part("labels", b"x", file_name))).files == {"labels": folder / "labels.csv"}
    assert [path.name for path in tmp_path.rglob("*")] == ["upload", "labels.csv"]


def refused_and_empty(folder: Path, error: type[BaseException], call: Callable[[], Any]) -> None:
    with pytest.raises(error):
        call()
    assert list(folder.iterdir()) == []


def test_an_upload_over_a_cap_leaves_nothing(tmp_path: Path) -> None:
    """A body over its cap, announced or not, and texts over theirs are refused, and no file stays behind."""
    body = form(part("images", b"x" * 3_000_000, "i.zip"), LABELS)
    cuts = tuple(range(0, len(body), 65_536))
    refused_and_empty(tmp_path, BodyTooLargeError, lambda: receiving(tmp_path, body, cuts=cuts, limit=2_500_000))
    announced = {"content-length": "2500001"}
    refused_and_empty(tmp_path, BodyTooLargeError, lambda: receiving(tmp_path, b"", headers=announced, limit=2_500_000))
    texts = form(LABELS, part("model", b"x" * 600), part("evidence", b"x" * 600))
    refused_and_empty(tmp_path, BodyTooLargeError, lambda: receiving(tmp_path, texts, text_limit=1000))
    assert receiving(tmp_path, texts, text_limit=1200).fields["model"] == "x" * 600


def test_a_client_that_leaves_leaves_nothing(tmp_path: Path) -> None:
    """Where the connection ends in the middle of a file, what had come of it is removed."""
    body = part("images", b"x" * 3_000_000, "i.zip")[:-500]
    cuts = tuple(range(0, len(body), 65_536))
    refused_and_empty(tmp_path, ClientDisconnect, lambda: receiving(tmp_path, body, cuts=cuts, leaves=True))


def test_an_upload_without_room_leaves_nothing(tmp_path: Path) -> None:
    """Where a file can't be written to its end, or is announced as larger than the disk, nothing of it stays."""
    body = form(LABELS, part("images", b"x" * 3_000_000, "i.zip"))
    cuts = tuple(range(0, len(body), 65_536))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        refused_and_empty(tmp_path, OSError, lambda: receiving(tmp_path, body, cuts=cuts))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    announced = {"content-length": str(10**18)}
    refused_and_empty(tmp_path, OSError, lambda: receiving(tmp_path, b"", headers=announced, limit=10**19))
