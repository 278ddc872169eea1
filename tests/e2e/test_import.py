"""A model from elsewhere: exported by torch, imported by the command, served, and used in an audit."""

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torchvision.models import resnet18

from labels.fashion_mnist import CLASSES


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-18 of torchvision's for ten classes with random weights, as torch exports it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = resnet18(num_classes=10).eval()
    path = tmp_path_factory.mktemp("resnet") / "resnet18.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, 64, 64),),
            path,
            dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
            dynamo=True,
            verbose=False,
        )
    torch.set_num_threads(threads)
    (path.parent / "classes.txt").write_text("\n".join(CLASSES))
    return path


@pytest.fixture(scope="module")
def store(resnet: Path, tmp_path_factory: pytest.TempPathFactory, kit: Any) -> Path:
    """A repository with the ResNet as a classifier and, up to its pooling, as an encoder."""
    from lookalike.importing.publish import ImportOptions, import_onnx
    from models.repository import ModelRepository

    repository = ModelRepository(tmp_path_factory.mktemp("store"))
    classes = resnet.with_name("classes.txt")
    made = import_onnx(resnet, repository, "resnet", ImportOptions(classes=classes, images=kit.images))
    origin = made.artifact.manifest.imported
    assert origin is not None
    import_onnx(resnet, repository, "encoder", ImportOptions(embedding=origin.embedding))
    return repository.root


@pytest.fixture(scope="module")
def served(start_service: Any, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The service with both."""
    with start_service(tmp_path_factory.mktemp("data"), models_dir=store) as running:
        yield running


def test_the_command_imports_and_the_command_classifies(lookalike: Any, resnet: Path, kit: Any, tmp_path: Path) -> None:
    """One command publishes and calibrates, the model is listed and verified, the next command classifies with it."""
    classes, models = resnet.with_name("classes.txt"), ("--models", tmp_path / "store")
    given = ("--classes", classes, "--calibrate", kit.truth, "--images", kit.images, "--groups", kit.groups)
    result = lookalike("models", "import", resnet, "--name", "resnet", *given, *models)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("published resnet@1: 10 classes, accuracy 0.")
    listed = lookalike("models", "list", *models).stdout
    assert listed.startswith("resnet@1  10 classes  accuracy 0.")
    assert "imported from resnet18.onnx" in listed
    assert lookalike("models", "verify", *models).stdout == "resnet@1  ok\n"
    answer = lookalike("classify", kit.image(0), "--json", *models)
    assert (answer.returncode, answer.stderr) == (0, "")
    document = json.loads(answer.stdout)
    assert document.keys() == {"model", "predictions"}
    assert document["predictions"][0]["prediction_set"]["coverage"] == 0.95


def test_an_uncalibrated_import_is_served_and_says_so(served: Any, kit: Any) -> None:
    """The only classifier answers without being named, promises nothing, and the answer warns."""
    answer = served.classify(kit.image(0).read_bytes())
    assert answer.status_code == 200
    document = answer.json()
    assert document["model"] == {"name": "resnet", "version": "1"}
    (prediction,) = document["predictions"]
    assert (prediction["prediction_set"], prediction["outlier"]) == (None, None)
    assert prediction["decision"]["level"] in {"class", "group", "none"}
    assert "resnet@1 is not calibrated" in document["warnings"][0]


def test_an_encoder_is_shown_but_does_not_classify(served: Any, kit: Any, lookalike: Any, store: Path) -> None:
    """An encoder stands among the models; asked to classify, service and command say what it is."""
    models = {each["name"]: each["versions"][0] for each in served.http.get("/v1/models").json()["models"]}
    assert models.keys() == {"encoder", "resnet"}
    assert (models["encoder"]["classes"], models["encoder"]["embedding_size"]) == ([], 512)
    answer = served.classify(kit.image(0).read_bytes(), model="encoder")
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_classifier")
    assert "encoder@1 is an encoder" in answer.json()["detail"]
    result = lookalike("classify", kit.image(0), "--model", "encoder", "--models", store)
    assert (result.returncode, result.stdout) == (1, "")
    assert "encoder@1 is an encoder" in result.stderr


def test_an_audit_stands_on_an_encoder(served: Any, kit: Any) -> None:
    """An audit by an encoder cross-validates a probe on its embedding, judges every row and says what it did."""
    location = served.audit(kit.labels.read_bytes(), kit.archive, model="encoder", groups=kit.groups.read_text())
    report = served.http.get(f"{location}/report").json()
    assert (report["evidence"], report["scored"], report["outliers"]) == ("cross_validated", 600, 0)
    assert report["model"] == {"name": "encoder", "version": "1"}
    assert any("encoder@1 knows no classes" in warning for warning in report["warnings"])
    refused = served.submit(kit.labels.read_bytes(), kit.archive, model="encoder", evidence="reference")
    state = served.ended(refused.headers["Location"])
    assert (state["status"], "is an encoder and knows no classes" in state["error"]) == ("failed", True)


def test_an_audit_by_an_uncalibrated_model_says_so(served: Any, kit: Any) -> None:
    """An audit by a classifier that nobody calibrated goes through, and its report warns."""
    location = served.audit(kit.labels.read_bytes(), kit.archive, model="resnet", evidence="reference")
    report = served.http.get(f"{location}/report").json()
    assert (report["evidence"], report["scored"]) == ("reference", 600)
    assert any("without confusion counts" in warning for warning in report["warnings"])


def one_node(**options: Any) -> bytes:
    """A graph of one node."""
    node = helper.make_node("Sparkle", ["images"], ["out"], **options)
    shape = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 2])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    model = helper.make_model(helper.make_graph([node], "g", [shape], [out]), opset_imports=opsets)
    return bytes(model.SerializeToString())


def test_a_bad_file_is_refused_in_one_line(lookalike: Any, resnet: Path, tmp_path: Path) -> None:
    """Whatever is wrong with a file, the command ends with one line and code 1, and nothing is published."""
    (tmp_path / "cut.onnx").write_bytes(resnet.read_bytes()[:-100])
    (tmp_path / "custom.onnx").write_bytes(one_node(domain="com.example"))
    (tmp_path / "two.txt").write_text("a\nb\n")
    for file, said in (
        ("cut.onnx", "cut short"),
        ("custom.onnx", "'Sparkle' of 'com.example'"),
        ("no.onnx", "No such"),
    ):
        result = lookalike("models", "import", file, "--name", "bad", "--classes", "two.txt", "--models", "store")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("lookalike: ")
        assert said in result.stderr
        assert len(result.stderr.splitlines()) == 1
    result = lookalike("models", "import", resnet, "--name", "bad", "--classes", "two.txt", "--models", "store")
    assert result.stderr == "lookalike: the model tells 10 classes apart, but 2 are named by --classes\n"
    assert not (tmp_path / "store").exists() or list((tmp_path / "store").iterdir()) == []


def test_without_onnx_the_command_says_what_to_install(tmp_path: Path, resnet: Path) -> None:
    """Where only serving is installed, importing names the extra that it needs; help works all the same."""
    for arguments, code in (["models", "import", "--help"], 0), (["models", "import", str(resnet), "--name", "x"], 1):
        program = f"""
import sys
sys.modules["onnx"] = None
from lookalike.cli import main
sys.argv = ["lookalike", *{arguments!r}]
main()
"""
        result = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert result.returncode == code, result.stderr
    assert result.stderr == "lookalike: this command needs onnx: install the extra `train` (make .venv/everything)\n"


def test_what_is_published_needs_nothing_beside_it(store: Path) -> None:
    """Weights that torch left in a second file are in the published graph."""
    graph = onnx.load(store / "resnet" / "1" / "model.onnx", load_external_data=False)
    assert not any(each.external_data for each in graph.graph.initializer)
    names = sorted(path.name for path in (store / "resnet" / "1").iterdir())
    assert names == ["README.md", "manifest.json", "model.onnx"]
