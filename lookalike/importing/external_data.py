"""Weights that an exporter left in files beside the graph: taken in, if they really lie beside it."""

from pathlib import Path

import onnx

from lookalike.importing.errors import ModelImportError
from lookalike.importing.graph_parts import tensors_in


def take_in_external_data(model: onnx.ModelProto, path: Path, most_bytes: int) -> None:
    """Put the content of external files into the tensors that name them.

    Only files in the graph's own folder, or below it, are read: a name that leads elsewhere, by ``..``, as an absolute
    path or through a link, would bring a file of this machine into a model that is given to others. Raises
    ``ModelImportError`` for those, for files that are missing or too short, and for more than ``most_bytes`` in all.
    """
    folder = path.parent.resolve()
    for tensor in tensors_in(model.graph):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        content = _content(tensor, path, folder, most_bytes)
        most_bytes -= len(content)
        tensor.raw_data = content
        del tensor.external_data[:]
        tensor.ClearField("data_location")


def _content(tensor: onnx.TensorProto, path: Path, folder: Path, most_bytes: int) -> bytes:
    place: dict[str, str] = {entry.key: entry.value for entry in tensor.external_data}
    location = place.get("location", "")
    named = f"{path.name}: the weights {tensor.name[:80]!r} are to come from {location[:200]!r}"
    if not location or "\0" in location or Path(location).is_absolute() or ".." in Path(location).parts:
        raise ModelImportError(f"{named}, which is not a file beside the model: save the model in one file")
    target = (folder / location).resolve()
    if not target.is_relative_to(folder):
        raise ModelImportError(f"{named}, which leads out of the model's folder: copy the file there")
    if not target.is_file():
        raise ModelImportError(f"{named}, which is missing: bring it along, or save the model in one file")
    try:
        offset, length = int(place.get("offset", 0)), int(place.get("length", -1))
    except ValueError as error:
        raise ModelImportError(f"{named}, at a place that is no number: save the model in one file") from error
    size = target.stat().st_size
    if length < 0:
        length = size - offset
    if not 0 <= offset <= offset + length <= size:
        raise ModelImportError(f"{named}, which is cut short ({size:,} bytes): copy or export the model again")
    if length > most_bytes:
        raise ModelImportError(f"{path.name}: its weights are too large to be imported")
    with target.open("rb") as file:
        file.seek(offset)
        return file.read(length)
