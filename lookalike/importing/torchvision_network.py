"""A pretrained network of torchvision as a model: exported, then imported like any other graph."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from lookalike.importing.class_names import read_class_names
from lookalike.importing.errors import ModelImportError
from lookalike.importing.preprocessing import PreprocessingOptions
from lookalike.importing.publish import ImportedModel, ImportOptions, import_onnx
from models.repository import ModelRepository
from training.export import write_graph
from training.networks import NetworkSpec, make_network
from training.pretrained import start_from


def import_torchvision(
    kind: Literal["resnet18", "resnet34", "resnet50"],
    weights: str,
    repository: ModelRepository,
    name: str,
    options: ImportOptions,
    *,
    size: int,
) -> ImportedModel:
    """Publish a network with ``imagenet`` weights, or those of a file, as the next version of ``name``.

    The shorter side of a picture is scaled to 8/7 of ``size``, as torchvision measures its networks. Raises a
    ``LookalikeError`` where the weights can't be had, or are for another number of classes than ``options`` name.
    """
    assert options.classes is not None
    classes, spec = read_class_names(options.classes), NetworkSpec(kind=kind)
    network = make_network(spec, channels=3, classes=len(classes))
    if not start_from(network, spec, weights):
        raise ModelImportError(f"{weights} is not for the {len(classes)} classes that {options.classes.name} names")
    preprocessing = PreprocessingOptions(size=str(size), resize=str(round(size * 8 / 7)))
    with TemporaryDirectory() as folder:
        graph = Path(folder) / f"{kind}.onnx"
        write_graph(network.eval(), np.zeros((2, 3, size, size), dtype=np.float32), graph)
        return import_onnx(
            graph, repository, name, replace(options, preprocessing=preprocessing, embedding="embedding")
        )
