"""A label file is looked at before an audit of it is started."""

import resource
from pathlib import Path
from typing import Any

import httpx
import pytest


def preview(service: Any, content: bytes, name: str = "mine.csv", **fields: str) -> httpx.Response:
    answer: httpx.Response = service.http.post("/v1/audits/preview", files={"labels": (name, content)}, data=fields)
    return answer


def folders(service: Any) -> set[str]:
    return {path.name for path in (service.data_dir / "audits").glob("*")}


def test_a_preview_leaves_nothing_behind(service: Any, kit: Any) -> None:
    """Of a file that is only looked at nothing is kept, and no audit comes of it."""
    before, kept = service.http.get("/v1/audits").json(), folders(service)
    answer = preview(service, kit.labels.read_bytes()[:5000], whole="false").json()
    assert (answer["label_column"], answer["image_column"]) == ("label", "image")
    assert answer["rows_read"] > 300
    assert service.http.get("/v1/audits").json() == before
    assert folders(service) == kept


@pytest.mark.parametrize(
    ("content", "name", "fields", "status", "said"),
    [
        (b"image,label\na.png\n", "mine.csv", {}, 422, "row 1 (line 2) has 1 cell,"),
        (b"PAR1", "mine.parquet", {}, 422, "must end in one of .csv"),
        (b"image,label\na.png,Coat\n", "mine.csv", {"whole": "perhaps"}, 422, "write true or false"),
        (b"image,label\na.png,Coat\n", "mine.csv", {"label_column": "nope"}, 422, "no column 'nope'"),
        (b"image,label\n" + b"x" * 5_000_000, "mine.csv", {}, 413, "larger than"),
        (b"", "mine.csv", {}, 422, "the file is empty"),
    ],
)
def test_what_can_not_be_previewed_is_said(
    service: Any, content: bytes, name: str, fields: dict[str, str], status: int, said: str
) -> None:
    """A row that is wrong, a kind of file that is not read here, and a file that is too large are told apart."""
    answer = preview(service, content, name, **fields)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


def test_a_preview_without_room_is_a_507(start_service: Any, tmp_path: Path) -> None:
    """Where the disk takes no more while the file comes, that is said, nothing stays, and a shorter one is read."""
    with start_service(tmp_path) as service:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        try:
            answer = preview(service, b"image,label\n" + b"a.png,Coat\n" * 200_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (answer.status_code, answer.json()["code"]) == (507, "no_room")
        assert folders(service) == set()
        assert preview(service, b"image,label\na.png,Coat\n").json()["rows_read"] == 1


def test_an_audit_bears_the_name_it_was_given(service: Any, kit: Any) -> None:
    """People find an audit by what they call it; a name that is too long, or would break a line, is refused."""
    labels = "image,label\n000.png,Coat\n"
    assert service.submit(labels, kit.archive, name="  Autumn \n clothes ").json()["name"] == "Autumn clothes"
    assert service.submit(labels, kit.archive).json()["name"] is None
    for name in ("x" * 201, "a\x00b", "a\u202eb"):
        answer = service.submit(labels, kit.archive, name=name)
        assert (answer.status_code, answer.json()["code"]) == (422, "body")
