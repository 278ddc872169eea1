"""The int8 form of the shipped model by the command, and what it answers."""

import json
from pathlib import Path
from typing import Any


def test_a_model_is_quantized_by_one_command(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """One command publishes the int8 form into a repository of its own, where it is the model that answers."""
    given = ("--labels", kit.truth, "--images", kit.images, "--into", tmp_path / "store")
    made = lookalike("models", "quantize", "fashion-mnist", *given)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("published fashion-mnist-int8@1: accuracy 0.9")
    assert "(in float32 0.9" in made.stdout
    models = ("--models", tmp_path / "store")
    assert lookalike("models", "verify", *models).stdout == "fashion-mnist-int8@1  ok\n"
    assert "  int8  " in lookalike("models", "list", *models).stdout
    answer = json.loads(lookalike("classify", kit.image(1), "--json", *models).stdout)
    assert answer["model"] == {"name": "fashion-mnist-int8", "version": "1"}
    assert answer["predictions"][0]["class"] == "Trouser"


def test_what_can_not_be_quantized_is_one_line(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """Labels without images, and a model that there is not, end in one line and code 1; nothing is published."""
    for arguments, said in (
        (("fashion-mnist", "--labels", kit.truth), "--labels needs the images that the label file names: --images DIR"),
        (("hats",), "no model 'hats'"),
    ):
        result = lookalike("models", "quantize", *arguments, "--into", tmp_path / "store")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("lookalike: ")
        assert len(result.stderr.splitlines()) == 1
        assert said in result.stderr
    assert not (tmp_path / "store").exists()
