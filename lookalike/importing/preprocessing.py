"""How pictures reach the model, from the options of the command."""

import re
from dataclasses import dataclass

from pydantic import ValidationError

from lookalike.importing.anatomy import ImageInput, Layout
from lookalike.importing.errors import ModelImportError
from lookalike.importing.wrapping import Normalisation
from models.preprocessing import InputSpec

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What torchvision's and most of timm's models were trained with."""


@dataclass(frozen=True)
class PreprocessingOptions:
    """As the person wrote them; None: not given."""

    size: str | None = None
    """``224`` or ``HEIGHTxWIDTH``."""
    resize: str | None = None
    """Pixels of the shorter side before the centre is cropped, or the crop's share of it, such as ``0.875``."""
    layout: Layout = "nchw"
    mean: str | None = None
    std: str | None = None
    """One number, or one for each channel with commas between."""


def input_spec(options: PreprocessingOptions, images: ImageInput) -> InputSpec:
    """Settle size, channels and resize rule; raises ``ModelImportError`` where graph and options leave them open."""
    height, width = images.height, images.width
    if options.size is not None:
        wanted = re.fullmatch(r"([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?", options.size)
        if not wanted:
            raise ModelImportError(f"--size {options.size}: write 224, or HEIGHTxWIDTH such as 224x160")
        asked = int(wanted[1]), int(wanted[2] or wanted[1])
        if height not in (None, asked[0]) or width not in (None, asked[1]):
            raise ModelImportError(f"--size {options.size}: the graph takes pictures of {height} x {width} only")
        height, width = asked
    if height is None or width is None:
        raise ModelImportError("the graph takes pictures of any size: name the one it works best at by --size")
    try:
        return InputSpec(
            height=height,
            width=width,
            channels=3 if images.channels is None else images.channels,
            resize=_resize(options.resize, max(height, width)),
        )
    except ValidationError as error:
        raise ModelImportError(f"--size or --resize: {error.errors()[0]['msg']}") from error


def _resize(rule: str | None, side: int) -> int:
    if rule is None:
        return side
    try:
        value = float(rule)
    except ValueError:
        value = 0
    if 0 < value <= 1 and "." in rule:
        return int(side / value)
    if not 1 <= value < 1e6 or value != int(value):
        raise ModelImportError(f"--resize {rule}: write pixels such as 256, or the crop's share such as 0.875")
    return int(value)


def normalisation(options: PreprocessingOptions, images: ImageInput, channels: int) -> Normalisation:
    """Settle mean and standard deviation of the values in 0..1."""
    if images.type == "uint8":
        if options.mean is not None or options.std is not None:
            raise ModelImportError("--mean, --std: the graph takes bytes, so its normalisation is its own")
        return Normalisation(options.layout, (), ())
    if channels == 1 and (options.mean is None or options.std is None):
        raise ModelImportError("name --mean and --std (of values in 0..1): for grey pictures there is no custom")
    mean = _numbers("--mean", options.mean, IMAGENET_MEAN, channels)
    std = _numbers("--std", options.std, IMAGENET_STD, channels)
    if not all(value > 0 for value in std):
        raise ModelImportError(f"--std {options.std}: it must be above 0")
    return Normalisation(options.layout, mean, std)


def _numbers(option: str, text: str | None, default: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if text is None:
        return default
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) == 1:
        values *= channels
    if len(values) != channels or not all(-1e6 < value < 1e6 for value in values):
        raise ModelImportError(f"{option} {text}: write one number, or {channels} with commas between")
    return values
