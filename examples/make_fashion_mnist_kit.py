"""Make examples/fashion-mnist from the reserve of Fashion-MNIST's training split, which no shipped model learnt from.

    .venv/bin/python examples/make_fashion_mnist_kit.py

The same data give the same files, byte for byte.
"""

from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from labels.fashion_mnist import CLASSES, PAIRS, find_fashion_mnist, read_fashion_mnist
from labels.formats.write_table import write_table
from labels.splits import split
from training.data.fashion_mnist import PART_SIZE
from training.noise_file import add_noise

KIT = Path(__file__).parent / "fashion-mnist"
PER_CLASS = 60
REVIEWED = 200
SEED = 7


def main() -> None:
    """Write the images, the truth, the groups, the label file with flips, and the same with some of it reviewed."""
    data = read_fashion_mnist(find_fashion_mnist(None))
    reserve = split(data.train_labels, validation=PART_SIZE, reserve=PART_SIZE).reserve
    rng = np.random.default_rng(SEED)
    labels = data.train_labels[reserve]
    chosen = [rng.choice(reserve[labels == k], PER_CLASS, replace=False) for k in range(len(CLASSES))]
    index = rng.permutation(np.concatenate(chosen))

    (KIT / "images").mkdir(parents=True, exist_ok=True)
    names = [f"{number:03d}.png" for number in range(len(index))]
    for name, i in zip(names, index, strict=True):
        Image.fromarray(data.train_images[i]).save(KIT / "images" / name, optimize=True)
    truth = pl.DataFrame({"image": names, "label": [CLASSES[k] for k in data.train_labels[index]]})
    write_table(truth, KIT / "truth.csv")
    groups = ",\n  ".join(f'["{a}", "{b}"]' for a, b in PAIRS)
    (KIT / "groups.json").write_text(f'{{"groups": [\n  {groups}\n]}}\n')
    add_noise(KIT / "truth.csv", "asymmetric:0.2", KIT / "groups.json", seed=SEED, out=KIT / "labels.csv")
    given = pl.read_csv(KIT / "labels.csv")["label"]
    seen = pl.Series(range(len(index))) < REVIEWED
    reviewed = truth.select(
        "image",
        pl.when(seen).then(pl.col("label")).otherwise(given).alias("label"),
        seen.alias("trusted"),
        pl.when(seen).then(given).alias("original_label"),
    )
    write_table(reviewed, KIT / "reviewed.csv")


if __name__ == "__main__":
    main()
