"""How pictures reach an imported model, by the options of the command; and the names of its classes."""

import json
from pathlib import Path
from typing import Any

import pytest

from lookalike.importing.anatomy import ImageInput
from lookalike.importing.class_names import read_class_names
from lookalike.importing.errors import ModelImportError
from lookalike.importing.preprocessing import PreprocessingOptions, input_spec, normalisation

FREE = ImageInput("x", "float32", None, None, None, 3)
FIXED = ImageInput("x", "float32", 1, 224, 160, 3)
GREY = ImageInput("x", "float32", 1, 28, 28, 1)


@pytest.mark.parametrize(
    ("images", "options", "expected"),
    [
        (FIXED, {}, (224, 160, 224)),
        (FIXED, {"size": "224x160"}, (224, 160, 224)),
        (FREE, {"size": "112"}, (112, 112, 112)),
        (FREE, {"size": "112x96", "resize": "128"}, (112, 96, 128)),
        (FREE, {"size": "224", "resize": "256"}, (224, 224, 256)),
        (FREE, {"size": "224", "resize": "0.875"}, (224, 224, 256)),
        (FREE, {"size": "224", "resize": "1.0"}, (224, 224, 224)),
    ],
)
def test_size_and_resize(images: ImageInput, options: dict[str, str], expected: tuple[int, int, int]) -> None:
    """Size comes from the graph or the person, the shorter side in pixels or by the crop's share of it."""
    spec = input_spec(PreprocessingOptions(**options), images)
    assert (spec.height, spec.width, spec.resize) == expected


@pytest.mark.parametrize(
    ("images", "options", "said"),
    [
        (FREE, {}, "name the one it works best at by --size"),
        (FIXED, {"size": "224"}, "224 x 160 only"),
        (FREE, {"size": "big"}, "write 224"),
        (FREE, {"size": "0"}, "write 224"),
        (FREE, {"size": "99999"}, "--size or --resize"),
        (FREE, {"size": "224", "resize": "100"}, "must not become smaller than the window"),
        (FREE, {"size": "224", "resize": "all"}, "the crop's share"),
        (FREE, {"size": "224", "resize": "-0.5"}, "the crop's share"),
        (FREE, {"size": "224", "resize": "250.5"}, "the crop's share"),
        (FREE, {"size": "224", "resize": "nan"}, "the crop's share"),
        (FREE, {"size": "224", "resize": "inf"}, "the crop's share"),
        (FREE, {"size": "224", "resize": "0.00000001"}, "--size or --resize"),
    ],
)
def test_a_wrong_size_is_named(images: ImageInput, options: dict[str, str], said: str) -> None:
    """What does not fit the graph, or is no size, is refused with what to write."""
    with pytest.raises(ModelImportError, match=said):
        input_spec(PreprocessingOptions(**options), images)


def test_normalisation_is_imagenets_unless_named() -> None:
    """Colour models get ImageNet's mean and standard deviation; others are given, for all channels or for each."""
    assert normalisation(PreprocessingOptions(), FREE, 3).mean == (0.485, 0.456, 0.406)
    given = normalisation(PreprocessingOptions(mean="0.5", std="0.5,0.25,1"), FREE, 3)
    assert (given.mean, given.std) == ((0.5, 0.5, 0.5), (0.5, 0.25, 1))
    assert normalisation(PreprocessingOptions(mean="0.286", std="0.353"), GREY, 1).mean == (0.286,)


@pytest.mark.parametrize(
    ("images", "options", "said"),
    [
        (GREY, {}, "for grey pictures there is no custom"),
        (FREE, {"mean": "a"}, "--mean a"),
        (FREE, {"mean": "1,2"}, "or 3 with commas"),
        (FREE, {"mean": "nan"}, "--mean nan"),
        (FREE, {"std": "0"}, "above 0"),
        (FREE, {"std": "inf"}, "--std inf"),
    ],
)
def test_a_wrong_normalisation_is_named(images: ImageInput, options: dict[str, Any], said: str) -> None:
    """Numbers that are none, or too few, are refused with what to write."""
    with pytest.raises(ModelImportError, match=said):
        normalisation(PreprocessingOptions(**options), images, images.channels or 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("classes.txt", "cat\ndog\n"),
        ("classes.txt", "\ufeff cat \r\ndog"),
        ("classes.json", '["cat", "dog"]'),
        ("classes.json", '{"1": "dog", "0": "cat"}'),
    ],
)
def test_class_names_are_read(tmp_path: Path, name: str, content: str) -> None:
    """Names come one a line, as a JSON list, or as the JSON object from index to name that hubs have."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_class_names(tmp_path / name) == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("classes.txt", b"", "has 0 class names"),
        ("classes.txt", b"cat\n", "has 1 class names"),
        ("classes.txt", b"crane\ncat\ncrane\n", r"'crane' stands at \[1, 3\]"),
        ("classes.txt", b"cat\n\ndog\n", "name 2 is ''"),
        ("classes.txt", b"cat\nd\x00g\n", "name 2"),
        ("classes.txt", b"cat\xff\xfe\ndog\n", "one name a line"),
        ("classes.json", b"[1, 2]", "neither a list of names"),
        ("classes.json", b'{"0": "cat", "2": "dog"}', "no class '1'"),
        ("classes.json", b"[" * 100_000, "JSON list"),
        ("classes.json", json.dumps([str(i) for i in range(10_001)]).encode(), "has 10001 class names"),
    ],
)
def test_wrong_class_names_are_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """Too few, equal or unreadable names are refused, saying which."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelImportError, match=said):
        read_class_names(tmp_path / name)
