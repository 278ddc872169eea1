"""What Triton must know of a model to serve it from the same folder: its ``config.pbtxt``.

The format is the text form of ``ModelConfig`` in Triton's ``model_config.proto``.
"""

from models.manifest import Manifest

TRITON_CONFIG = "config.pbtxt"
MAX_BATCH = 32
"""Most images in one run, as the service has it by default; the graph takes any number."""


def triton_config(manifest: Manifest) -> str:
    """The content of ``config.pbtxt`` for a version of a model.

    Triton gives what the graph gives. Probabilities take the temperatures, which stand among the parameters of a
    calibrated model.
    """
    spec = manifest.input
    outputs = [_tensor("embedding", "TYPE_FP32", manifest.embedding_size)]
    if not manifest.is_encoder:
        outputs.insert(0, _tensor("logits", "TYPE_FP32", len(manifest.classes)))
    parameters = {"lookalike_version": manifest.version}
    if manifest.calibration is not None:
        parameters["temperature_group"] = repr(manifest.temperature.group)
        parameters["temperature_within"] = repr(manifest.temperature.within)
    return "\n".join(
        [
            f'name: "{manifest.name}"',
            'backend: "onnxruntime"',
            f"max_batch_size: {MAX_BATCH}",
            *_block("input", [_tensor("images", "TYPE_UINT8", spec.height, spec.width, spec.channels)]),
            *_block("output", outputs),
            *_block(
                "parameters", [f'key: "{key}" value: {{ string_value: "{parameters[key]}" }}' for key in parameters]
            ),
            "",
        ]
    )


def _tensor(name: str, datatype: str, *dims: int) -> str:
    """A tensor without the number of images, which ``max_batch_size`` stands for."""
    return f'name: "{name}" data_type: {datatype} dims: [ {", ".join(map(str, dims))} ]'


def _block(field: str, messages: list[str]) -> list[str]:
    return [f"{field} {{ {message} }}" for message in messages]
