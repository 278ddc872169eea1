"""Which columns hold the labels and name the images, by what people call them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from labels.errors import LabelFileError
from labels.probabilities import PREFIX

LABEL, IMAGE = "label", "image"
"""The documented names: where one of them is there, nothing is guessed."""
_SHOWN = 50

LABEL_NAMES = (
    "label", "labels", "label name", "class", "class name", "class label", "category", "category name", "target", "y",
    "given label", "ground truth", "choice",
)  # fmt: skip
IMAGE_NAMES = (
    "image", "image name", "image path", "image file", "image file name", "img", "img name", "img path", "img file",
    "file", "file name", "file path", "path", "picture", "photo",
)  # fmt: skip


@dataclass(frozen=True)
class ColumnGuess:
    """What columns are for, as far as their names leave no doubt."""

    label: str | None
    image: str | None
    label_candidates: tuple[str, ...]
    """Columns whose names say that they hold labels; none or several: ``label`` is None."""
    image_candidates: tuple[str, ...]


def guess_columns(columns: Sequence[str]) -> ColumnGuess:
    """Guess from the names alone: the documented name, else the only one that is a usual one, however it is written.

    Case, spaces and signs don't matter: ``File Name``, ``fileName`` and ``file_name`` are one. Beside an ``x`` a ``y``
    is a coordinate. It is what reading a file does where nobody names the columns, so a page may show it beforehand.
    """
    labels, images = _candidates(columns, LABEL, _LABEL_KEYS), _candidates(columns, IMAGE, _IMAGE_KEYS)
    return ColumnGuess(labels[0] if len(labels) == 1 else None, images[0] if len(images) == 1 else None, labels, images)


@dataclass(frozen=True)
class Columns:
    """What the columns of a file are for."""

    label: str
    image: str | None
    """None: no column names images, as far as anybody can tell."""
    warnings: tuple[str, ...]
    """What was guessed, in whole sentences."""


def choose_columns(
    columns: Sequence[str],
    label_column: str | None,
    image_column: str | None,
    guess: ColumnGuess,
    *,
    labels: Sequence[str] = (),
    image: str | None = None,
) -> Columns:
    """Take the columns that a person names, else those that the format makes known, else those that were guessed.

    ``labels`` and ``image`` are what is known by the format. Raises ``LabelFileError`` that lists the candidates where
    a column that is named is not there, or none or several could hold the labels.
    """
    warnings = []
    label = _label(columns, label_column, labels or guess.label_candidates)
    if label_column is None and not labels and label != LABEL:
        warnings.append(f"The labels are taken from the column {label!r}, by its name; label_column names another.")
    if image_column is not None:
        _must_be_there(columns, image_column, "images", "image_column")
        image = image_column
    elif image is None:
        image = guess.image
        if image is not None and image != IMAGE:
            warnings.append(f"The images are taken from the column {image!r}, by its name; image_column names another.")
        elif image is None and guess.image_candidates:
            warnings.append(f"Each of {_listed(guess.image_candidates)} may name the images: image_column says which.")
    return Columns(label, image, tuple(warnings))


def _label(columns: Sequence[str], named: str | None, candidates: Sequence[str]) -> str:
    if named is not None:
        _must_be_there(columns, named, "labels", "label_column")
        return named
    if len(candidates) > 1:
        raise LabelFileError(f"each of {_listed(candidates)} may hold the labels: say which does (label_column)")
    if not candidates and columns and all(name.startswith(PREFIX) for name in columns):
        raise LabelFileError("there are probabilities but no labels: add a column with the label of each row")
    if not candidates:
        _must_be_there(columns, LABEL, "labels", "label_column")
    return candidates[0]


def _must_be_there(columns: Sequence[str], name: str, what: str, option: str) -> None:
    if name not in columns:
        columns = [column for column in columns if not column.startswith(PREFIX)] or columns
        raise LabelFileError(
            f"there is no column {name!r} for the {what}; say which of {_listed(columns)} it is ({option})"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:80]) for name in names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


_LABEL_KEYS, _IMAGE_KEYS = ({_key(name) for name in names} for names in (LABEL_NAMES, IMAGE_NAMES))


def _candidates(columns: Sequence[str], documented: str, keys: set[str]) -> tuple[str, ...]:
    if documented in columns:
        return (documented,)
    keys = keys - {"y"} if "x" in map(_key, columns) else keys
    return tuple(column for column in columns if _key(column) in keys)
