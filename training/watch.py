"""How a network does on images that it does not learn from, epoch by epoch."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.data.pictures import Pictures
from training.normalisation import Normalisation
from training.state import Figures

_BATCH = 500


class Watch:
    """Cross-entropy and accuracy on parts of the data: ``NAME_loss`` and ``NAME_accuracy`` for each."""

    def __init__(
        self,
        parts: Mapping[str, tuple[Pictures, NDArray[np.int64]]],
        normalisation: Normalisation,
        device: torch.device,
    ) -> None:
        """Images uint8 ``[n, H, W, C]`` and their labels ``[n]``, by the names of the parts."""
        self._parts, self._device = parts, device
        self._normalisation = normalisation.to(device)

    def __call__(self, network: nn.Module) -> Figures:
        """Measure; leaves the network in evaluation mode."""
        network.eval()
        figures: Figures = {}
        for name, (pictures, given) in self._parts.items():
            starts = range(0, len(pictures), _BATCH)
            with torch.inference_mode():
                logits = torch.cat([self._logits(network, pictures[start : start + _BATCH]) for start in starts])
            labels = torch.from_numpy(given).to(self._device)
            figures[f"{name}_loss"] = F.cross_entropy(logits, labels).item()
            figures[f"{name}_accuracy"] = (logits.argmax(dim=1) == labels).float().mean().item()
        return figures

    def _logits(self, network: nn.Module, images: NDArray[np.uint8]) -> Tensor:
        inputs = torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2)
        logits: Tensor = network(self._normalisation(inputs))[0]
        return logits.float()
