"""Which data a run learns from: enough to find them again for resuming and for export."""

from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from models.errors import LookalikeError
from training.data.cifar import load_cifar10, load_cifar100
from training.data.data_set import DataSet
from training.data.fashion_mnist import load_fashion_mnist
from training.data.food101 import load_food101n
from training.data.image_folder import load_image_folder
from training.data.label_file import load_label_file
from training.data.pictures import BadImages

DataSetName = Literal["fashion-mnist", "cifar10", "cifar100", "imagefolder", "food101n", "labels"]


class DataSourceError(LookalikeError):
    """The data can't be loaded as asked; the message says what is missing."""


class DataSource(BaseModel):
    """A data set by its name and place; ``labels`` is a label file with images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: DataSetName = "fashion-mnist"
    folder: Path | None = None
    """Where it is; None: where Fashion-MNIST is installed. Of a label file the folder or archive of its images."""
    labels: Path | None = None
    labels_sha256: str | None = None
    """Of the label file, so that a run is not gone on with by other labels."""
    size: int | None = None
    """Pixels of a side that pictures of any size are made into."""
    bad_images: BadImages = "stop"

    @classmethod
    def of_label_file(cls, labels: Path, images: Path, *, size: int | None, bad_images: BadImages) -> "DataSource":
        """Name a label file as it is now."""
        return cls(
            name="labels",
            folder=images.resolve(),
            labels=labels.resolve(),
            labels_sha256=sha256(labels.read_bytes()).hexdigest(),
            size=size,
            bad_images=bad_images,
        )

    def load(self) -> DataSet:
        """Load it; raises ``DataSourceError`` where that needs to be told more, and what the loaders raise."""
        if self.name == "fashion-mnist":
            return load_fashion_mnist(self.folder)
        if self.folder is None:
            raise DataSourceError(f"where is {self.name}? Name its folder by --data DIR")
        match self.name:
            case "cifar10":
                return load_cifar10(self.folder)
            case "cifar100":
                return load_cifar100(self.folder)
            case "imagefolder":
                return load_image_folder(self.folder, size=self.size, bad_images=self.bad_images)
            case "food101n":
                return load_food101n(self.folder, size=self.size, bad_images=self.bad_images)
            case "labels":
                return self._load_label_file(self.folder)

    def _load_label_file(self, images: Path) -> DataSet:
        if self.labels is None:
            raise DataSourceError("a label file is needed: name it by --labels FILE")
        if self.labels_sha256 is not None and sha256(self.labels.read_bytes()).hexdigest() != self.labels_sha256:
            raise DataSourceError(f"{self.labels} has changed since the run was started: bring back what it was")
        return load_label_file(self.labels, images, size=self.size, bad_images=self.bad_images)
