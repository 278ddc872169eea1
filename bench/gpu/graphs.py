"""Residual networks with random weights, in the form of this project's graphs, published into a repository."""

from pathlib import Path

import numpy as np
import onnx
import torchvision
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import Tensor, nn

from models.manifest import GRAPH, MANIFEST, Imported, Manifest
from models.preprocessing import InputSpec
from models.repository import ModelArtifact, ModelRepository, sha256_of
from training.export import ExportedNetwork, write_graph
from training.normalisation import Normalisation

CLASSES = tuple(f"class {i}" for i in range(1000))


class Network(nn.Module):
    """A network of torchvision (He et al. 2016); below 64 pixels with a 3 x 3 stem and without its max-pooling."""

    def __init__(self, depth: int, size: int) -> None:
        super().__init__()
        self.body = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        if size < 64:
            self.body.conv1, self.body.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
        self.head, self.body.fc = self.body.fc, nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.body(x)
        return self.head(embedding), embedding


def publish(plain: ModelRepository, half: ModelRepository, depth: int, size: int) -> dict[str, ModelArtifact]:
    """``resnetD-S``, into one repository in float32; into another one all but its input and outputs in float16."""
    network = Network(depth, size)
    name, width = f"resnet{depth}-{size}", network.head.in_features
    with plain.publishing(name) as (version, folder):
        example = np.zeros((2, size, size, 3), dtype=np.uint8)
        write_graph(ExportedNetwork(network, Normalisation([115.0], [57.0])).eval(), example, folder / GRAPH)
        graph = onnx.load(folder / GRAPH)
        _describe(folder, name, version, size, width)
    with half.publishing(name) as (version, folder):
        onnx.save(convert_float_to_float16(graph, keep_io_types=True), folder / GRAPH)
        _describe(folder, name, version, size, width)
    return {"fp32": plain.resolve(name), "fp16": half.resolve(name)}


def _describe(folder: Path, name: str, version: str, size: int, embedding_size: int) -> None:
    digest = sha256_of(folder / GRAPH)
    manifest = Manifest(
        name=name,
        version=version,
        classes=CLASSES,
        input=InputSpec(height=size, width=size, channels=3, resize=size),
        embedding_size=embedding_size,
        groups=tuple((each,) for each in CLASSES),
        confidence_labels=None,
        calibration=None,
        imported=Imported(
            file=GRAPH,
            sha256=digest,
            producer="random weights",
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
        files={GRAPH: digest},
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json())
