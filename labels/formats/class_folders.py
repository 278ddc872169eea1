"""Folders of classes, as torchvision's ``ImageFolder`` and Hugging Face's read them: the folder's name is the label."""

from collections.abc import Sequence

import polars as pl

from labels.errors import LabelFileError
from labels.formats.reading import Reading
from labels.images.names import IMAGE_ENDINGS
from labels.places import listed

SPLITS = frozenset({"train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing"})
"""Folders that part a data set, whatever their case; a class lies below them."""


def read_class_folders(names: Sequence[str]) -> Reading:
    """One row an image, in the order of the names (see ``normalise_name``): ``image``, and ``label``, its folder.

    The class is the folder that the images lie in. Above it there may be folders that all images share, and the parts
    of a data set; anything else could be the class as well, and raises ``LabelFileError``. An image outside of all
    folders has no label. What doesn't end like an image is left out, with a warning; hidden files without.
    """
    shown = [name for name in names if not any(part.startswith(".") for part in name.split("/"))]
    images = [name for name in shown if name.lower().endswith(IMAGE_ENDINGS)]
    if not images:
        raise LabelFileError(f"there is no image, by the endings of the names: {', '.join(IMAGE_ENDINGS)}")
    folders = [name.split("/")[:-1] for name in images]
    _check_depth(images, folders)
    others = sorted(set(shown) - set(images))
    left_out = f"Files left out, as they don't end like images: {len(others)} of {len(shown)} ({_quoted(others)})."
    table = pl.DataFrame(
        {"image": images, "label": [folder[-1] if folder else None for folder in folders]},
        schema={"image": pl.String, "label": pl.String},
    )
    return Reading(
        table,
        "class-folders",
        labels=("label",),
        image="image",
        warnings=(left_out,) if others else (),
    )


def _check_depth(images: Sequence[str], folders: Sequence[Sequence[str]]) -> None:
    by_depth: dict[int, str] = {}
    above: dict[int, set[str]] = {}
    for image, folder in zip(images, folders, strict=True):
        if folder:
            by_depth.setdefault(len(folder), image)
            for level, name in enumerate(folder[:-1]):
                above.setdefault(level, set()).add(name)
    if not by_depth:
        raise LabelFileError("the images lie in no folders, whose names would be their labels: send a label file")
    if len(by_depth) > 1:
        raise LabelFileError(
            f"images lie in folders of different depth ({_quoted(list(by_depth.values()))}), so it is unclear which "
            "folder is the class: move them, or send a label file"
        )
    for level, names in above.items():
        if len(names) > 1 and not {name.lower() for name in names} <= SPLITS:
            example = next(iter(by_depth.values())).split("/")
            raise LabelFileError(
                f"images lie in folders of folders ({'/'.join(example)!r}), so the class may be {example[level]!r} or "
                f"{example[-2]!r}: leave one of the two levels out, or send a label file"
            )


def _quoted(names: Sequence[str]) -> str:
    return listed([repr(name[:80]) for name in names])
