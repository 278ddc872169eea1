"""The two models that are served: a ResNet-20 at 32 pixels and torchvision's ResNet-18 at 224, weights drawn at random.

They are whole artifacts, so that a request gets the whole answer: ten classes in pairs, a thousand in groups of ten.
What calibration would have fitted is drawn at random as well: it costs the same to apply. Kept in ``runs/bench-serve``.
"""

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from models.conformal import fit_conformal
from models.distribution import Temperature, softmax
from models.embedding import EmbeddingStatistics
from models.groups import SimilarityGroups
from models.manifest import CARD, EMBEDDING_STATISTICS, GRAPH, MANIFEST, Calibration, Imported, Manifest
from models.preprocessing import InputSpec
from models.repository import ModelArtifact, ModelRepository, sha256_of
from training.export import write_graph
from training.networks import NetworkSpec, ResNet

CACHE = Path(__file__).resolve().parents[2] / "runs" / "bench-serve"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = {"resnet20": 32, "resnet18": 224}
"""Pixels of each model's input."""


def artifact(name: str) -> ModelArtifact:
    """``resnet20`` or ``resnet18``, each alone in a repository of its own; made where it is missing."""
    repository = ModelRepository(CACHE / name)
    if not repository.names():
        publish(name, repository)
    return repository.resolve()


def publish(name: str, repository: ModelRepository) -> None:
    """Add a version of the model, with weights of its own."""
    with repository.publishing(name) as (version, folder):
        torch.manual_seed(int(version))
        _write(name, version, folder)


def _write(name: str, version: str, folder: Path) -> None:
    size = SIZES[name]
    network, classes = (_ResNet20(), 10) if name == "resnet20" else (_ResNet18(), 1000)
    example = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    write_graph(network.eval(), example, folder / GRAPH)
    session = onnxruntime.InferenceSession(folder / GRAPH, providers=["CPUExecutionProvider"])
    _, (embedding, _) = session.run(["logits", "embedding"], {"images": example})

    names = tuple(f"class {k}" for k in range(classes))
    together = 2 if classes == 10 else 10
    groups = SimilarityGroups.from_lists(names, [names[k : k + together] for k in range(0, classes, together)])
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), 4)
    EmbeddingStatistics.fit(
        embedding + rng.normal(0, embedding.std(), (len(labels), len(embedding))), labels, classes
    ).save(folder / EMBEDDING_STATISTICS)
    logits = rng.normal(0, 1, (len(labels), classes))
    logits[np.arange(len(labels)), labels] += 5
    manifest = Manifest(
        name=name,
        version=version,
        classes=names,
        input=InputSpec(height=size, width=size, channels=3, resize=size),
        embedding_size=len(embedding),
        groups=groups.members(),
        confidence_labels=None,
        calibration=Calibration(
            source="drawn at random",
            n=len(labels),
            temperature=Temperature(group=1.2, within=1.5),
            confusion=tuple(map(tuple, (4 * np.eye(classes, dtype=np.int64)).tolist())),
            conformal=fit_conformal(softmax(logits), labels),
        ),
        imported=Imported(
            file=f"{name}.onnx",
            sha256=sha256_of(folder / GRAPH),
            producer="torch",
            opset=18,
            input_type="uint8",
            layout="nhwc",
            mean=(),
            std=(),
            logits="logits",
            embedding="embedding",
            libraries={},
        ),
        metrics={},
        files={file: sha256_of(folder / file) for file in (GRAPH, EMBEDDING_STATISTICS)},
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
    (folder / CARD).write_text(f"# {name}\n\nRandom weights, for benchmarks alone.\n")


class _ResNet20(nn.Module):
    """Three stages of three blocks (He et al. 2016, section 4.2), normalisation inside."""

    def __init__(self) -> None:
        super().__init__()
        self.network = ResNet(NetworkSpec(widths=(16, 32, 64), blocks=3, stem_stride=1), channels=3, classes=10)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, embedding = self.network(_normalise(images))
        return logits, embedding


class _ResNet18(nn.Module):
    """torchvision's, normalisation inside."""

    def __init__(self) -> None:
        super().__init__()
        network = resnet18(weights=None)
        self.head = network.fc
        network.fc = nn.Identity()
        self.trunk = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.trunk(_normalise(images))
        return self.head(embedding), embedding


def _normalise(images: Tensor) -> Tensor:
    """uint8 ``[N, H, W, 3]`` to float32 ``[N, 3, H, W]``."""
    scale = torch.tensor([1 / (255 * std) for std in STD]).view(3, 1, 1)
    shift = torch.tensor([-mean / std for mean, std in zip(MEAN, STD, strict=True)]).view(3, 1, 1)
    return images.permute(0, 3, 1, 2).float() * scale + shift
