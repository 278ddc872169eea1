"""What the int8 form of the shipped model gains and costs, beside the float32 one.

    make bench-int8

Made as ``lookalike models quantize`` makes it. CPU time of the graphs alone at intra-op 1; the arms take turns, and
ratios are medians over the rounds. Accuracy and calibration on images that nothing saw, each form by its own
calibration. A ResNet-18 for pictures of 224 pixels, with random weights, is timed only.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from answers import errors, header, look, row
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import resnet18

from lookalike.quantizing.evidence import from_data_set
from lookalike.quantizing.publish import quantize_version
from models.conformal import prediction_sets
from models.distribution import class_probabilities
from models.manifest import GRAPH
from models.repository import SHIPPED, ModelRepository
from service.inference.classifier import Classifier
from training.data import load_fashion_mnist
from training.export import write_graph
from training.quantization import quantize

ROUNDS = 15
LEVELS = (0.95, 0.99)


def main() -> None:
    shipped = ModelRepository(SHIPPED).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        int8 = quantize_version(shipped, from_data_set(shipped, None), ModelRepository(folder / "store"), "int8")
        data = load_fashion_mnist(None)
        print("\n### Accuracy and calibration\n")
        held_out = {
            "test": (data.test_images, data.test_labels),
            "reserve": (data.images[data.split.reserve], data.labels[data.split.reserve]),
        }
        compare({"float32": Classifier(shipped, device="cpu"), "int8": Classifier(int8, device="cpu")}, held_out)
        print("\n### Speed\n")
        header(["graph", "images at once", "CPU ms an image, float32", "int8", "ratio", "MB, float32", "int8"])
        for batch in (1, 32):
            time_both("shipped, 28 x 28", shipped.path / GRAPH, int8.path / GRAPH, data.test_images[:320], batch)
        large, small = folder / "large.onnx", folder / "large-int8.onnx"
        pictures = np.random.default_rng(0).integers(0, 256, (32, 224, 224, 3), dtype=np.uint8)
        torch.manual_seed(0)
        write_graph(Large().eval(), pictures[:2], large)
        quantize(large, small, pictures[:16])
        for batch in (1, 8):
            time_both("ResNet-18, 224 x 224", large, small, pictures[:8], batch)


class Large(nn.Module):
    """A ResNet-18 of torchvision's in the form that is served."""

    def __init__(self) -> None:
        super().__init__()
        self.body = resnet18()
        self.head, self.body.fc = self.body.fc, nn.Identity()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.body(images.permute(0, 3, 1, 2).float().div(255).sub(0.45).div(0.22))
        return self.head(embedding), embedding


def compare(
    classifiers: dict[str, Classifier], held_out: dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]
) -> None:
    """Print the figures of both, and how often they name the same class."""
    sets = [f"{what} at {level}" for level in LEVELS for what in ("coverage", "set size")]
    header(["images", "form", "accuracy", "same class", "ECE class", "group", "share inside", *sets, "outliers"])
    for name, (images, truth) in held_out.items():
        rows, tops = np.arange(len(truth)), []
        for form, classifier in classifiers.items():
            manifest = classifier.manifest
            assert manifest.calibration is not None
            logits, embeddings = look(classifier, images)
            p = class_probabilities(logits, manifest.similarity_groups, manifest.temperature)
            tops.append(p.argmax(axis=1))
            cells = [f"{(tops[-1] == truth).mean():.4f}", f"{(tops[-1] == tops[0]).mean():.4f}"]
            cells += [f"{error:.4f}" for error in errors(manifest.similarity_groups, p, truth)]
            for level in LEVELS:
                members = prediction_sets(p, manifest.calibration.conformal.threshold(level)[1])
                cells += [f"{members[rows, truth].mean():.4f}", f"{members.sum(axis=1).mean():.3f}"]
            row([name, form, *cells, f"{classifier.statistics.is_outlier(embeddings).mean():.4f}"])


def time_both(what: str, float32: Path, int8: Path, images: NDArray[np.uint8], batch: int) -> None:
    """Print CPU time an image of both graphs, and their ratio round by round."""
    sessions = [one_core(graph) for graph in (float32, int8)]
    batches = [np.ascontiguousarray(images[start : start + batch]) for start in range(0, len(images), batch)]
    rounds = []
    for _ in range(ROUNDS + 1):  # the first warms up
        taken = []
        for session in sessions:
            started = time.process_time()
            for each in batches:
                session.run(None, {"images": each})
            taken.append(1e3 * (time.process_time() - started) / len(images))
        rounds.append(taken)
    before, after = (statistics.median(each) for each in zip(*rounds[1:], strict=True))
    ratio = statistics.median(a / b for a, b in rounds[1:])
    sizes = [f"{graph.stat().st_size / 1e6:.2f}" for graph in (float32, int8)]
    row([what, str(batch), f"{before:.3f}", f"{after:.3f}", f"{ratio:.2f}", *sizes])


def one_core(graph: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
