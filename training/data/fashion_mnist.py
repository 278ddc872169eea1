"""Fashion-MNIST, as it is installed or downloaded."""

from pathlib import Path

import numpy as np

from labels import fashion_mnist
from labels.splits import split
from models.groups import SimilarityGroups
from models.preprocessing import InputSpec, to_input
from training.data.data_set import DataSet

PART_SIZE = 10_000
"""Size of the validation part and of the reserve, each."""


def load_fashion_mnist(data_dir: Path | None) -> DataSet:
    """Load Fashion-MNIST from ``data_dir`` or Debian's package, else download it through torchvision."""
    try:
        folder = fashion_mnist.find_fashion_mnist(data_dir)
    except fashion_mnist.DataSetNotFoundError:
        if data_dir is not None:
            raise
        folder = _download()
    data = fashion_mnist.read_fashion_mnist(folder)
    spec = InputSpec(height=28, width=28, channels=1, resize=28)
    return DataSet(
        name="Fashion-MNIST",
        classes=fashion_mnist.CLASSES,
        groups=SimilarityGroups.from_lists(fashion_mnist.CLASSES, fashion_mnist.PAIRS),
        input=spec,
        images=np.stack([to_input(image, spec) for image in data.train_images]),
        labels=data.train_labels,
        split=split(data.train_labels, validation=PART_SIZE, reserve=PART_SIZE),
        test_images=np.stack([to_input(image, spec) for image in data.test_images]),
        test_labels=data.test_labels,
    )


def _download() -> Path:
    from torchvision.datasets import FashionMNIST  # noqa: PLC0415 - only where a download is needed

    root = Path("data")
    FashionMNIST(str(root), download=True)
    return fashion_mnist.find_fashion_mnist(root / "FashionMNIST" / "raw")
