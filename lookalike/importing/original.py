"""The original graph as it came, run to see what it gives."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from lookalike.importing.anatomy import ImageInput
from lookalike.importing.errors import ModelImportError
from lookalike.importing.wrapping import Normalisation


def start_session(model: onnx.ModelProto | str, what: str) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the CPU; raises ``ModelImportError`` where it can't load the graph."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong comes as an exception
    source = model if isinstance(model, str) else model.SerializeToString()
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's many ways to refuse
        raise ModelImportError(f"ONNX Runtime can't load {what}: {str(error)[:300]}") from error


class Original:
    """A session of the original graph that also gives some of its inner tensors."""

    def __init__(
        self, model: onnx.ModelProto, images: ImageInput, normalisation: Normalisation, tensors: Sequence[str]
    ) -> None:
        opened = onnx.ModelProto()
        opened.CopyFrom(model)
        shown = {each.name for each in opened.graph.output}
        opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in {*tensors} - shown)
        self._session = start_session(opened, "the model as it came")
        self._images, self._normalisation = images, normalisation

    def run(self, images: NDArray[np.uint8], tensors: Sequence[str]) -> list[NDArray[np.float32]]:
        """Tensors for uint8 ``[N, H, W, C]``, in batches of the size that the graph was exported for."""
        inputs = self._normalisation.apply(images, self._images.type)
        size = self._images.batch or len(inputs)
        missing = -len(inputs) % size
        inputs = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)])
        try:
            parts = [
                self._session.run(list(tensors), {self._images.name: inputs[start : start + size]})
                for start in range(0, len(inputs), size)
            ]
        except Exception as error:  # ONNX Runtime's many ways to fail
            raise ModelImportError(f"the model fails on pictures of that size: {str(error)[:300]}") from error
        found = []
        for name, arrays in zip(tensors, zip(*parts, strict=True), strict=True):
            if any(len(each.shape) == 0 or len(each) != size for each in arrays):
                raise ModelImportError(
                    f"the tensor {name!r} has the shape {arrays[0].shape} for {size} images: its first dimension must "
                    "be the images"
                )
            found.append(np.concatenate(arrays)[: len(images)].astype(np.float32))
        return found
