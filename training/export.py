"""Export a run: graph, calibration, manifest and card, checked against ONNX Runtime, published as one version."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import LookalikeError
from models.manifest import (
    CARD,
    EMBEDDING_STATISTICS,
    GRAPH,
    MANIFEST,
    TRAINING_PIXELS,
    Manifest,
    Provenance,
)
from models.repository import ModelArtifact, ModelRepository, sha256_of, verify
from models.training_pixels import save_hashes
from training.data import DataSet
from training.held_out import HeldOut, measure, run_graph
from training.loop import normalise
from training.losses import make_loss
from training.losses.relaxed_targets import Relaxation
from training.model_card import model_card
from training.networks import ResNet
from training.quantization import range_images, to_int8
from training.run import Run, RunConfig

TOLERANCE = 1e-3
"""Largest difference of a logit between torch and ONNX Runtime that is put down to rounding."""


class ExportError(LookalikeError):
    """The exported graph does not compute what the trained network does."""


class ExportedNetwork(nn.Module):
    """The network as it is served: normalisation inside, uint8 images in."""

    def __init__(self, network: ResNet, mean: float, std: float) -> None:
        super().__init__()
        self.network, self.mean, self.std = network, mean, std

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 ``[N, H, W, C]`` to logits ``[N, K]`` and embedding ``[N, D]``, float32."""
        logits, embedding = self.network(normalise(images, self.mean, self.std))
        return logits, embedding


def export(run: Run, data: DataSet, repository: ModelRepository, name: str, *, int8: bool = False) -> ModelArtifact:
    """Publish a run as the next version of ``name``; raises ``ExportError`` where torch and the graph disagree.

    With ``int8`` the graph is quantised; raises ``QuantizationError`` where it loses too much by that.
    """
    config = run.config
    if (data.name, data.classes, data.input) != (config.data_set, config.classes, config.input):
        raise ExportError(f"the run was trained on {config.data_set} with other classes or inputs than this data set's")
    network = ExportedNetwork(run.load(), config.pixel_mean, config.pixel_std).eval()
    held_out, groups = HeldOut.of(data), config.similarity_groups
    with repository.publishing(name) as (version, folder):
        graph = folder / GRAPH
        write_graph(network, held_out.images[:2], graph)
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        check_against_torch(network, session, held_out.images[:200])
        if int8:
            images = range_images(data.images, run.labels.index)
            source = f"{len(images):,} of the run's training images"
            measured, quantization = to_int8(graph, images, held_out, groups, source=source)
        else:
            measured, quantization = measure(graph, held_out, groups), None
        measured.statistics.save(folder / EMBEDDING_STATISTICS)
        save_hashes(folder / TRAINING_PIXELS, data.images[run.labels.index])
        manifest = Manifest(
            name=name,
            version=version,
            classes=config.classes,
            input=config.input,
            embedding_size=measured.embedding_size,
            groups=config.groups,
            confidence_labels=config.confidence_labels,
            calibration=measured.calibration,
            provenance=_provenance(run, config),
            quantization=quantization,
            metrics=measured.metrics,
            files={file: sha256_of(folder / file) for file in (GRAPH, EMBEDDING_STATISTICS, TRAINING_PIXELS)},
        )
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
        (folder / CARD).write_text(model_card(manifest))
        verify(ModelArtifact(folder, manifest))
    return repository.resolve(f"{name}@{version}")


def write_graph(network: nn.Module, example: NDArray[np.uint8], path: Path) -> None:
    """Write ``model.onnx`` with a dynamic number of images."""
    with warnings.catch_warnings():
        # The exporter announces deprecations of its own internals; none concerns what is exported.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.from_numpy(example),),
            input_names=["images"],
            output_names=["logits", "embedding"],
            dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    _forget_where_it_was_made(graph)
    onnx.save(graph, path)


def _forget_where_it_was_made(graph: onnx.ModelProto) -> None:
    """Drop the exporter's notes, stack traces with this machine's paths among them: a model is given to others."""
    del graph.metadata_props[:]
    del graph.graph.metadata_props[:]
    inner = graph.graph
    for part in (*inner.node, *inner.input, *inner.output, *inner.value_info, *inner.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def check_against_torch(network: nn.Module, session: onnxruntime.InferenceSession, images: NDArray[np.uint8]) -> None:
    """Compare logits and embeddings on real images at several batch sizes; raises ``ExportError``."""
    for size in (1, 3, len(images)):
        with torch.inference_mode():
            expected = [tensor.numpy() for tensor in network(torch.from_numpy(images[:size]))]
        for output, want, got in zip(("logits", "embedding"), expected, run_graph(session, images[:size]), strict=True):
            worst = float(np.abs(want - got).max())
            if not worst <= TOLERANCE:
                raise ExportError(f"{output} of torch and ONNX Runtime differ by {worst:g} at a batch of {size}")


def _provenance(run: Run, config: RunConfig) -> Provenance:
    loss = make_loss(config.loss, config.confidence_labels, Relaxation.parse(config.relaxation))
    return Provenance(
        data_set=config.data_set,
        training_samples=len(run.labels.index),
        trusted_samples=config.trusted,
        noise=config.noise,
        protocol=config.protocol,
        loss=config.loss,
        clamp=loss.clamp,
        relaxation=str(loss.relaxation),
        recipe=config.recipe.model_dump(mode="json"),
        seed=config.seed,
        commit=config.commit,
        libraries=config.libraries,
    )
