"""The images for GPUs, without one: `make image-test-gpu`, by hand, since they are large."""

from pathlib import Path

import pytest

from .podman import Podman

pytestmark = pytest.mark.image_gpu

DATA = Path("/usr/share/datasets/fashion-mnist")
TWO_STEPS = """
epochs = 1
batch_size = 20000
trusted_share = 0
learning_rate = 0.1
momentum = [0.85, 0.95]
weight_decay = 5e-4
max_shift = 2
mirror = false
own_untrusted = 0.6
own_trusted = 0.95
[network]
widths = [4]
blocks = 1
stem_stride = 2
"""
"""Of 40,000 images."""


def test_without_a_gpu_the_service_does_not_start(podman: Podman, base: str) -> None:
    """With CUDA's libraries and no GPU the image for GPUs ends at once and says what is missing: the driver."""
    image = "localhost/lookalike-test/service:1-gpu"
    podman.make("image", "EXTRA=gpu", f"IMAGE={image}", flags=("--build-arg", f"BASE_IMAGE={base}"))
    settings = ("-e", "LOOKALIKE_ALLOW_ANONYMOUS=true", "--read-only", "--cap-drop", "ALL")
    done = podman.try_to("run", "--rm", "--pull=never", *settings, image)
    assert done.returncode == 1
    assert "LOOKALIKE_DEVICE=cuda" in done.stderr
    assert "Traceback" not in done.stderr
    assert "libcuda" in done.stderr
    assert "libcublas" not in done.stderr  # the wheels' libraries are found: only the driver is missing


def test_the_training_image_trains(podman: Podman, base: str, tmp_path: Path) -> None:
    """It holds torch for CUDA, and trains two steps on the CPU into a run that can be exported."""
    image = "localhost/lookalike-test/training"
    podman.make("training-image", f"TRAINING_IMAGE={image}", flags=("--build-arg", f"BASE_IMAGE={base}"))
    version = podman("run", "--rm", "--entrypoint", "python", image, "-c", "import torch; print(torch.version.cuda)")
    assert version.split(".")[0] == "13"
    (tmp_path / "two-steps.toml").write_text(TWO_STEPS)
    tmp_path.chmod(0o777)
    mounts = ("-v", f"{tmp_path}:/work", "-v", f"{DATA}:{DATA}:ro")
    limits = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--shm-size", "1g")
    podman("run", "--rm", *mounts, *limits, image, "train", "two-steps.toml", "--out", "run", seconds=900)
    assert list((tmp_path / "run").glob("*.safetensors"))
