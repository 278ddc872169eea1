"""What a model takes and gives, by its manifest."""

from typing import get_args

from models.manifest import Manifest
from service.oip.messages import OutputName, TensorMetadata


def inputs(manifest: Manifest) -> list[TensorMetadata]:
    """Pixels of the model's own size, or instead encoded image files."""
    spec = manifest.input
    return [
        TensorMetadata(name="images", datatype="UINT8", shape=[-1, spec.height, spec.width, spec.channels]),
        TensorMetadata(name="image", datatype="BYTES", shape=[-1]),
    ]


def output_names(manifest: Manifest) -> tuple[OutputName, ...]:
    """What can be asked of a model: of an encoder only its embedding."""
    return ("embedding",) if manifest.is_encoder else get_args(OutputName)


def outputs(manifest: Manifest) -> list[TensorMetadata]:
    """Rows of numbers, one for each image."""
    classes, size = len(manifest.classes), manifest.embedding_size
    return [
        TensorMetadata(name=name, datatype="FP32", shape=[-1, size if name == "embedding" else classes])
        for name in output_names(manifest)
    ]
