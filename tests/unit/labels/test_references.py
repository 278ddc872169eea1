"""URLs of images, brought to the names of the images given."""

from pathlib import Path

import pytest

from labels.images.folder import FolderSource
from labels.images.references import is_reference, resolve_references


@pytest.fixture
def source(tmp_path: Path) -> FolderSource:
    for name in ("images/a.png", "images/sub/b c.png", "images/a/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "secret.png").touch()
    return FolderSource(tmp_path / "images")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("/data/local-files/?d=a.png", "a.png"),
        ("/data/local-files/?d=my%20disk/images/sub/b%20c.png", "sub/b c.png"),
        ("http://localhost:8080/data/local-files/?d=x/a/a.png", "a/a.png"),
        ("/data/upload/83/0a1b2c3d-a.png", "a.png"),
        ("http://localhost:8080/data/upload/83/0a1b2c3d-a.png", "a.png"),
        ("https://example.org/bucket/sub/b%20c.png?X-Signature=1", "sub/b c.png"),
        ("s3://bucket/images/a.png", "a.png"),
        ("gs://bucket/a/a.png", "a/a.png"),
    ],
)
def test_the_longest_tail_that_is_there_is_meant(source: FolderSource, reference: str, name: str) -> None:
    """However a tool refers to an image, the part of the path that the images have in common is found."""
    assert is_reference(reference)
    assert resolve_references([reference], source) == [name]


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.org/../secret.png",
        "https://example.org/%2e%2e/secret.png",
        "/data/local-files/?d=../secret.png",
        "/data/local-files/?d=",
        "/data/local-files/?e=a.png",
        "https://example.org/nowhere.png",
        "file:///etc/passwd",
        "http://[broken/a.png",
        "://",
        "https://x/" + "a/" * 200_000 + "nowhere.png",
    ],
)
def test_what_is_not_there_stays_as_it_is(source: FolderSource, reference: str) -> None:
    """A reference to nothing, one that climbs out, and one that is none are left alone, and quickly."""
    assert resolve_references([reference], source) == [reference]


def test_plain_names_are_not_touched(source: FolderSource) -> None:
    """A path as label files have it is looked up as it stands, never by its tail."""
    plain: list[str | None] = ["x/a.png", "a.png", "/abs/a.png", None, ""]
    assert resolve_references(plain, source) == plain
