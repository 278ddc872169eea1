"""The devices and processes that a training runs on, by Lightning Fabric."""

import atexit
import os
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from models.errors import LookalikeError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]


class DeviceError(LookalikeError):
    """The device is not there, or can't compute as asked; the message says what to ask for."""


def make_fabric(device: Device = "auto", precision: Precision = "auto") -> Fabric:
    """Set up this process: alone on one device, or as one of those that ``torchrun`` started, each with its own.

    ``auto`` is a GPU where there is one, and on it bfloat16 where it computes in that; the CPU computes in float32
    unless told otherwise. Weights stay in float32. Raises ``DeviceError``.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise DeviceError("there is no GPU that torch can use: take --device cpu, or auto")
    on_gpu = has_gpu and device != "cpu"
    halves = precision == "bf16" or (precision == "auto" and on_gpu and torch.cuda.is_bf16_supported())
    here, everywhere = (int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    if on_gpu and here > torch.cuda.device_count():
        raise DeviceError(f"torchrun started {here} processes for {torch.cuda.device_count()} GPUs: start as many")
    fabric = Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        devices=here,
        num_nodes=everywhere // here,
        # Each process keeps the running statistics of its own batches; the loop averages them.
        strategy=DDPStrategy(forward_sync_buffers=False) if everywhere > 1 else "auto",
        precision="bf16-mixed" if halves else "32-true",
    )
    fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_leave)
    return fabric


def _leave() -> None:
    """Leave the other processes in good order: gloo's threads, left running, may abort an interpreter that ends."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
