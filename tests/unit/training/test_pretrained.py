"""Training starts from the weights of a file, or says why it can't."""

from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from training.networks import NetworkSpec, make_network
from training.pretrained import WeightsError, start_from

RESNET18 = NetworkSpec(kind="resnet18")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A file as torchvision publishes it, with random weights."""
    torch.manual_seed(1)
    path = tmp_path / "resnet18.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), path)
    return path


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_published_weights_give_the_published_network(published: Path, ending: str) -> None:
    """The network computes what torchvision's does with the same file, whichever of the two formats it has."""
    state = torch.load(published, weights_only=True)
    path = published.with_suffix(f".{ending}")
    if ending == "safetensors":
        save_file(state, path)
    theirs = torchvision.models.resnet18(weights=None)
    theirs.load_state_dict(state)
    ours = make_network(RESNET18, channels=3, classes=1000)
    start_from(ours, RESNET18, str(path))
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(images)[0], theirs.eval()(images))


def test_another_number_of_classes_keeps_all_but_the_last_layer(published: Path) -> None:
    """For other classes the last layer stays as it was drawn, all else is the file's."""
    torch.manual_seed(2)
    network = make_network(RESNET18, channels=3, classes=7)
    head = network.head.weight.clone()
    start_from(network, RESNET18, str(published))
    assert torch.equal(network.head.weight, head)
    state = torch.load(published, weights_only=True)
    assert torch.equal(network.body.layer4[0].conv1.weight, state["layer4.0.conv1.weight"])


def test_a_runs_own_weights_are_taken(tmp_path: Path) -> None:
    """Weights that a run saved, or its checkpoint, start another run of the same network."""
    torch.manual_seed(3)
    one, other, third = (make_network(NetworkSpec(widths=(4, 8)), channels=1, classes=3) for _ in range(3))
    save_file(one.state_dict(), tmp_path / "weights.safetensors")
    torch.save({"network": one.state_dict(), "epochs": []}, tmp_path / "checkpoint.pt")
    start_from(other, NetworkSpec(widths=(4, 8)), str(tmp_path / "weights.safetensors"))
    start_from(third, NetworkSpec(widths=(4, 8)), str(tmp_path / "checkpoint.pt"))
    for each in (other, third):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), each.parameters(), strict=True))


def test_weights_of_another_network_are_refused(published: Path) -> None:
    """What doesn't fit is named: a layer that is missing, one too many, or one of another shape."""
    resnet34 = NetworkSpec(kind="resnet34")
    with pytest.raises(WeightsError, match=r"the file has no body\.layer1\.2\."):
        start_from(make_network(resnet34, channels=3, classes=10), resnet34, str(published))
    small = NetworkSpec(kind="resnet18", stem="cifar")
    with pytest.raises(WeightsError, match=r"body\.conv1\.weight is \(64, 3, 7, 7\) instead of \(64, 3, 3, 3\)"):
        start_from(make_network(small, channels=3, classes=10), small, str(published))


def test_imagenet_weights_are_of_some_networks_only() -> None:
    """The small network has no ImageNet weights, and says which do."""
    with pytest.raises(WeightsError, match="resnet18, resnet34 and resnet50"):
        start_from(make_network(NetworkSpec(), channels=3, classes=10), NetworkSpec(), "imagenet")


def test_weights_that_cannot_be_downloaded_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a network the error names the address, and the option that takes a file."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match=r"https://.*resnet18.*\.pth can't be downloaded .*--weights FILE"):
        start_from(make_network(RESNET18, channels=3, classes=10), RESNET18, "imagenet")


def test_what_is_no_weights_is_refused(tmp_path: Path) -> None:
    """A file with something else in it is refused by its name."""
    torch.save({"network": [1, 2]}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=r"other\.pt holds no weights by their names"):
        start_from(make_network(RESNET18, channels=3, classes=10), RESNET18, str(tmp_path / "other.pt"))
    (tmp_path / "cut.safetensors").write_bytes(b"12345678")
    with pytest.raises(WeightsError, match=r"cut\.safetensors can't be read"):
        start_from(make_network(RESNET18, channels=3, classes=10), RESNET18, str(tmp_path / "cut.safetensors"))


@pytest.mark.parametrize("kind", ["resnet18", "resnet34", "resnet50"])
@pytest.mark.parametrize(("stem", "side"), [("cifar", 4), ("imagenet", 1)])
def test_torchvisions_networks_take_small_and_grey_images(kind: str, stem: str, side: int) -> None:
    """The stem for small images halves nothing: 32 pixels come to 4 x 4 places, not one; grey is taken as well."""
    spec = NetworkSpec.model_validate({"kind": kind, "stem": stem})
    network = make_network(spec, channels=1, classes=5).eval()
    places = []
    network.body.layer4.register_forward_hook(lambda *call: places.append(call[2].shape[2:]))
    with torch.inference_mode():
        logits, embedding = network(torch.randn(2, 1, 32, 32))
    assert logits.shape == (2, 5)
    assert embedding.shape == (2, 2048 if kind == "resnet50" else 512)
    assert places == [(side, side)]
