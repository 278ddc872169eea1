"""Food-101 (Bossard et al. 2014) and Food-101N (Lee et al. 2018) on disk, as they are published.

Food-101N has 310,009 images from the web, about a fifth of them mislabelled, some 57,000 of them verified; its test set
is that of Food-101.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labels.fashion_mnist import DataSetError, DataSetNotFoundError


@dataclass(frozen=True, eq=False)  # arrays have no one truth value
class ImageList:
    """Images by their paths below a folder, with the class that each was given ``[N]``."""

    folder: Path
    names: tuple[str, ...]
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Food101N:
    """The noisy images, and the clean ones of Food-101 to test on."""

    classes: tuple[str, ...]
    images: ImageList
    verified: NDArray[np.int64]
    """``[N]``: 1 where a person found the label right, 0 where wrong, -1 where nobody looked."""
    held_out: NDArray[np.bool_]
    """``[N]``: whether it was verified for validation, and is not to be trained on."""
    test: ImageList


def read_food101n(noisy: Path, clean: Path) -> Food101N:
    """Read ``Food-101N_release`` and ``food-101``, or folders that hold them.

    Raises ``DataSetNotFoundError``, or ``DataSetError`` naming the file and the line that are wrong.
    """
    noisy, clean = _find(noisy, "Food-101N_release", "meta/imagelist.tsv"), _find(clean, "food-101", "meta/test.txt")
    classes = tuple(_lines(noisy / "meta" / "classes.txt", header="class_name"))
    index = {name: k for k, name in enumerate(classes)}
    keys = _lines(noisy / "meta" / "imagelist.tsv", header="class_name/key")
    images = ImageList(noisy / "images", tuple(keys), _classes_of(keys, index, noisy / "meta" / "imagelist.tsv"))
    rows = {key: row for row, key in enumerate(keys)}
    verified, held_out = np.full(len(keys), -1), np.zeros(len(keys), dtype=bool)
    for name in ("verified_train.tsv", "verified_val.tsv"):
        path = noisy / "meta" / name
        for number, line in enumerate(_lines(path, header="class_name/key\tverification_label"), 2):
            key, _, verdict = line.partition("\t")
            if verdict not in {"0", "1"}:
                raise DataSetError(f"{path}, line {number}: {line[:80]!r} does not end in 0 or 1: get the file again")
            if key in rows:  # one image was verified under another class than it is listed in
                verified[rows[key]], held_out[rows[key]] = int(verdict), name == "verified_val.tsv"
    tests = _lines(clean / "meta" / "test.txt", header=None)
    test = ImageList(
        clean / "images", tuple(f"{key}.jpg" for key in tests), _classes_of(tests, index, clean / "meta" / "test.txt")
    )
    return Food101N(classes, images, verified, held_out, test)


def _find(place: Path, name: str, first: str) -> Path:
    for folder in (place, place / name):
        if (folder / first).is_file():
            return folder
    raise DataSetNotFoundError(
        f"{place} holds no {name} with {first}: unpack it there, or name its folder by --data DIR"
    )


def _lines(path: Path, header: str | None) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataSetError(f"{path} can't be read ({error}): get the file again") from error
    if header is not None:
        if not lines or lines[0] != header:
            raise DataSetError(f"{path} does not begin with the line {header!r}: get the file again")
        lines = lines[1:]
    return [line for line in lines if line]


def _classes_of(keys: list[str], index: dict[str, int], path: Path) -> NDArray[np.int64]:
    for key in keys:
        if key.partition("/")[0] not in index:
            raise DataSetError(f"{path}: {key[:80]!r} begins with no class of classes.txt: get the file again")
    return np.array([index[key.partition("/")[0]] for key in keys], dtype=np.int64)
