"""CIFAR-10 and CIFAR-100 as they are published."""

from pathlib import Path

from labels import cifar
from labels.splits import split
from models.groups import SimilarityGroups
from models.preprocessing import InputSpec
from training.data.data_set import DataSet

VALIDATION = 5_000
"""Of the 50,000 training images, those held out to calibrate by."""


def load_cifar10(folder: Path) -> DataSet:
    """Load CIFAR-10 with the pairs of Gare and Galeotti (2021) as groups."""
    return _data_set("CIFAR-10", cifar.read_cifar10(folder))


def load_cifar100(folder: Path) -> DataSet:
    """Load CIFAR-100 with its superclasses as groups."""
    return _data_set("CIFAR-100", cifar.read_cifar100(folder))


def _data_set(name: str, data: cifar.Cifar) -> DataSet:
    return DataSet(
        name=name,
        classes=data.classes,
        groups=SimilarityGroups.from_lists(data.classes, data.groups),
        input=InputSpec(height=32, width=32, channels=3, resize=32),
        images=data.train_images,
        labels=data.train_labels,
        split=split(data.train_labels, validation=VALIDATION, reserve=0),
        test_images=data.test_images,
        test_labels=data.test_labels,
    )
