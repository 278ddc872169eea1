"""Folders whose names mean something elsewhere: brackets, stars, equals signs."""

from pathlib import Path
from typing import Any

ODD = "a=b [1] {x,y} *?"


def test_an_audit_goes_into_a_folder_of_any_name(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """What looks like a pattern in the name of a folder is a name, for the labels as for the answers."""
    odd = tmp_path / ODD
    odd.mkdir()
    labels = odd / "labels[1].csv"
    labels.write_bytes(kit.labels.read_bytes())
    done = lookalike("audit", labels, "--images", kit.images, "--out", odd / "out[1]")
    assert done.returncode == 0, done.stderr
    assert "likely wrong (600 rows)" in done.stdout


def test_a_data_folder_may_have_any_name(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """Rows, pages and exports are found in a data folder whose name looks like a pattern."""
    with start_service(tmp_path / ODD) as service:
        location = service.audit("image,label\n000.png,Coat\n001.png,Trouser\n", kit.archive)
        page = service.http.get(f"{location}/rows", params={"class": "Coat"}).json()["rows"]
        assert [row["image"] for row in page] == ["000.png"]
        assert service.http.get(f"{location}/export", params={"format": "parquet"}).status_code == 200
