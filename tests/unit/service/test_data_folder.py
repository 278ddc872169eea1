"""The data folder: one server at a time, and one that can be written."""

from pathlib import Path

import pytest

from service.data_folder import DataFolderError, locked_data_folder


def test_a_second_server_is_kept_out_until_the_first_ends(tmp_path: Path) -> None:
    """Two servers on one data folder would run each other's audits; the second is told to take another."""
    second = locked_data_folder(tmp_path / "data")
    with (
        locked_data_folder(tmp_path / "data"),
        pytest.raises(DataFolderError, match="another lookalike"),
        second,
    ):
        pytest.fail("let in")
    with locked_data_folder(tmp_path / "data"):
        pass


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    """A file where the folder should be stops the start with the setting's name, not the first upload."""
    (tmp_path / "data").write_text("")
    with pytest.raises(DataFolderError, match="LOOKALIKE_DATA_DIR"), locked_data_folder(tmp_path / "data"):
        pytest.fail("let in")
