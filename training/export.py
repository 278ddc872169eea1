"""Export a run: graph, calibration, manifest and card, checked against ONNX Runtime, published as one version."""

import warnings
from pathlib import Path
from typing import Literal

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
from training.data.pictures import subset
from training.half_precision import to_float16
from training.held_out import HeldOut, batches, measure, run_graph
from training.losses import make_loss
from training.losses.relaxed_targets import Relaxation
from training.model_card import model_card
from training.normalisation import Normalisation
from training.quantization import range_images, to_int8
from training.run import Run, RunConfig

TOLERANCE = 1e-3
"""Largest difference of a logit between torch and ONNX Runtime that is put down to rounding."""


Form = Literal["fp32", "fp16", "int8"]


class ExportError(LookalikeError):
    """The exported graph does not compute what the trained network does."""


class ExportedNetwork(nn.Module):
    """The network as it is served: normalisation inside, uint8 images in."""

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.network, self.normalisation = network, normalisation

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 ``[N, H, W, C]`` to logits ``[N, K]`` and embedding ``[N, D]``, float32."""
        logits, embedding = self.network(self.normalisation(images.permute(0, 3, 1, 2)))
        return logits, embedding


def export(run: Run, data: DataSet, repository: ModelRepository, name: str, *, form: Form = "fp32") -> ModelArtifact:
    """Publish a run as the next version of ``name``; raises ``ExportError`` where torch and the graph disagree.

    Its form is float32, float16 (weights and all between input and outputs), or int8. Raises ``QuantizationError``
    where int8 or float16 lose too much, or can't be judged for want of held-out samples.
    """
    config = run.config
    if (data.name, data.classes, data.input) != (config.data_set, config.classes, config.input):
        raise ExportError(f"the run was trained on {config.data_set} with other classes or inputs than this data set's")
    network = ExportedNetwork(run.load(), config.normalisation).eval()
    held_out, groups = HeldOut.of(data), config.similarity_groups
    with repository.publishing(name) as (version, folder):
        graph = folder / GRAPH
        examples = subset(data.images, run.labels.index[:200])[:]
        write_graph(network, examples[:2], graph)
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        check_against_torch(network, session, examples)
        if form == "int8":
            images = range_images(data.images, run.labels.index)
            source = f"{len(images):,} of the run's training images"
            measured, quantization = to_int8(graph, images, held_out, groups, source=source)
        elif form == "fp16":
            measured, quantization = to_float16(graph, examples, held_out, groups)
        else:
            measured, quantization = measure(graph, held_out, groups), None
        files = [GRAPH, TRAINING_PIXELS]
        if measured.statistics is not None:
            measured.statistics.save(folder / EMBEDDING_STATISTICS)
            files.append(EMBEDDING_STATISTICS)
        trained_on = subset(data.images, run.labels.index)
        save_hashes(folder / TRAINING_PIXELS, (image for batch in batches(trained_on) for image in batch))
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
            files={file: sha256_of(folder / file) for file in files},
        )
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
        (folder / CARD).write_text(model_card(manifest))
        verify(ModelArtifact(folder, manifest))
    return repository.resolve(f"{name}@{version}")


def write_graph(network: nn.Module, example: NDArray[np.uint8] | NDArray[np.float32], path: Path) -> None:
    """Write ``model.onnx`` with a dynamic number of images like the two of ``example``."""
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
