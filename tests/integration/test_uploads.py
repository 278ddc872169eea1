"""Audit uploads over a socket: clients that leave or dawdle, a full disk, and images that are on the server already."""

import resource
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

LABELS = "image,label\n000.png,Coat\n001.png,Trouser\n"


def audits_on_disk(service: Any) -> list[str]:
    return sorted(path.name for path in (service.data_dir / "audits").glob("*"))


def half_an_upload(service: Any, announced: int, sent: int) -> socket.socket:
    """A connection on which an upload began: of ``announced`` bytes of images ``sent`` are on their way."""
    address = (service.http.base_url.host, service.http.base_url.port)
    start = b'--XX\r\nContent-Disposition: form-data; name="images"; filename="i.zip"\r\n\r\n'
    head = (
        "POST /v1/audits HTTP/1.1",
        "Host: localhost",
        "Content-Type: multipart/form-data; boundary=XX",
        f"Content-Length: {announced + len(start)}",
    )
    connection = socket.create_connection(address, timeout=60)
    connection.sendall("\r\n".join([*head, "", ""]).encode() + start + b"x" * sent)
    return connection


def test_a_client_that_leaves_in_the_middle_leaves_nothing(start_service: Any, tmp_path: Path, eventually: Any) -> None:
    """An upload is on the disk while it comes; when its client is gone, its folder is, too, and no audit is listed."""
    with start_service(tmp_path) as service:
        with half_an_upload(service, 10_000_000, 5_000_000):
            images = tmp_path / "audits"
            eventually(
                lambda: any(path.stat().st_size for path in images.glob("*/images.zip")), "some of it is written"
            )
        eventually(lambda: audits_on_disk(service) == [], "the upload is removed")
        assert service.http.get("/v1/audits").json()["audits"] == []


def test_slow_clients_hold_up_nobody(start_service: Any, kit: Any, tmp_path: Path, eventually: Any) -> None:
    """With more dawdling uploads than the server has threads, others upload and get their answers."""
    with start_service(tmp_path) as service, ExitStack() as dawdling:
        for _ in range(60):
            dawdling.enter_context(half_an_upload(service, 3_000_000, 1_500_000))
        eventually(lambda: len(audits_on_disk(service)) == 60, "all have begun")
        service.audit(LABELS, kit.archive)
        assert service.classify(kit.image(0).read_bytes()).status_code == 200


def test_an_upload_without_room_is_a_507(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """Where the disk takes no more the answer says so, nothing is kept, and a smaller upload goes through."""
    with start_service(tmp_path, max_upload_bytes=10**15) as service:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, hard))
        try:
            answer = service.submit(LABELS, b"x" * 30_000_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (answer.status_code, answer.json()["code"]) == (507, "no_room")
        assert audits_on_disk(service) == []
        with half_an_upload(service, 10**14, 0) as connection:
            assert connection.recv(1000).startswith(b"HTTP/1.1 507")
        assert audits_on_disk(service) == []
        service.audit(LABELS, kit.archive)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"hello", {"Content-Type": "multipart/form-data; boundary=XX"}),
        (b"--XX\r\n", {"Content-Type": "multipart/form-data"}),
        (b"{}", {"Content-Type": "application/json"}),
        (b"", {}),
    ],
)
def test_a_body_that_is_no_form_is_a_422(service: Any, content: bytes, headers: dict[str, str]) -> None:
    """A body that can't be read as a form is refused as the sender's mistake, and nothing is kept."""
    before = audits_on_disk(service)
    answer = service.http.post("/v1/audits", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "body")
    assert audits_on_disk(service) == before


def submit_with(service: Any, name: str, **files: Any) -> httpx.Response:
    answer: httpx.Response = service.http.post(
        "/v1/audits", files={"labels": ("l.csv", LABELS)} | files, data={"dataset": name}
    )
    return answer


def test_images_that_are_mounted_need_no_upload(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """An audit of a mounted folder by its name judges its images, shows them, and leaves them when it is deleted."""
    mounts = tmp_path / "mounts"
    mounts.mkdir()
    (mounts / "clothes").symlink_to(kit.images)
    with start_service(tmp_path / "data", datasets_dir=mounts) as service:
        location = submit_with(service, "clothes").headers["Location"]
        assert service.ended(location)["status"] == "succeeded"
        rows = service.http.get(f"{location}/rows").json()["rows"]
        assert [row["status"] for row in rows] == ["scored", "scored"]
        assert service.http.get(f"{location}/rows/0/image").status_code == 200
        assert service.http.delete(location).status_code == 204
        assert audits_on_disk(service) == []
        assert kit.image(0).exists()
        both = submit_with(service, "clothes", images=("i.zip", kit.archive))
        assert (both.status_code, "not both" in both.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "nope", "clothes/", "../mounts/clothes", "/etc", ".hidden", "file", "a\0"]
)
def test_only_mounted_folders_can_be_named(start_service: Any, tmp_path: Path, name: str) -> None:
    """A name that is not exactly that of a mounted folder is refused, and nothing is kept."""
    mounts = tmp_path / "mounts"
    (mounts / "clothes").mkdir(parents=True)
    (mounts / ".hidden").mkdir()
    (mounts / "file").touch()
    with start_service(tmp_path / "data", datasets_dir=mounts) as service:
        answer = submit_with(service, name)
        assert (answer.status_code, answer.json()["code"]) == (422, "body")
        assert answer.json()["detail"].startswith("dataset: no folder")
        assert audits_on_disk(service) == []


def test_without_mounts_none_can_be_named(service: Any) -> None:
    """Where the operator mounted nothing, a data set's name is refused with what to do instead."""
    answer = submit_with(service, "clothes")
    assert answer.status_code == 422
    assert "send the images as a file" in answer.json()["detail"]
