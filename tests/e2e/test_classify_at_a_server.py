"""`lookalike classify --server URL`: the command as it is without, but for where the answers come from."""

import json
from pathlib import Path
from typing import Any

import pytest


def address(service: Any) -> str:
    return str(service.http.base_url).rstrip("/")


@pytest.mark.parametrize("options", [[], ["--json", "--top-k", 2, "--level", 0.5, "--model", "fashion-mnist@1"]])
def test_it_prints_what_it_prints_without_a_server(
    lookalike: Any, service: Any, kit: Any, tmp_path: Path, options: list[Any]
) -> None:
    """Sentences and document are those of the model loaded here, also for what is no image, or not there."""
    (tmp_path / "bad.png").write_text("text")
    images = [kit.image(0), "bad.png", kit.image(1), "nowhere.png"]
    here = lookalike("classify", *images, *options)
    there = lookalike("classify", *images, *options, "--server", address(service))
    assert (there.returncode, there.stderr) == (here.returncode, here.stderr) == (1, "")
    assert there.stdout == here.stdout


def test_only_files_that_can_not_be_read_still_give_a_whole_document(lookalike: Any, service: Any) -> None:
    """Where there is nothing to send, the document names the model all the same."""
    result = lookalike("classify", "nowhere.png", "--json", "--server", address(service))
    assert result.returncode == 1
    assert json.loads(result.stdout) == json.loads(lookalike("classify", "nowhere.png", "--json").stdout)


def test_what_is_wrong_is_one_line(lookalike: Any, kit: Any) -> None:
    """A service that is not there is named on stderr, in one line with the reason, and nothing is on stdout."""
    result = lookalike("classify", kit.image(0), "--server", "http://127.0.0.1:9")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "lookalike: http://127.0.0.1:9 can't be asked: [Errno 111] Connection refused\n"


def test_a_repository_and_a_service_exclude_each_other(lookalike: Any, service: Any, kit: Any, shipped: Path) -> None:
    """``--models`` beside ``--server`` is wrong use; the variable of the same meaning may stay set."""
    options = ["--server", address(service)]
    assert lookalike("classify", kit.image(0), *options, "--models", shipped).returncode == 2
    result = lookalike("classify", kit.image(0), *options, settings={"LOOKALIKE_MODELS_DIR": "/nowhere"})
    assert result.returncode == 0, result.stderr
