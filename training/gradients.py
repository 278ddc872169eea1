"""What one step does to the gradients."""

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor, nn

from training.augmentation import Augmentation
from training.batches import Microbatch, Step
from training.normalisation import Normalisation
from training.training_set import TrainingLabels


class Gradients:
    """The gradients of the mean loss over a step's samples, of all processes and microbatches together."""

    def __init__(
        self,
        network: _FabricModule,
        loss: nn.Module,
        labels: TrainingLabels,
        augmentation: Augmentation,
        normalisation: Normalisation,
        fabric: Fabric,
    ) -> None:
        """``network`` is as ``fabric`` set it up."""
        self._network, self._fabric = network, fabric
        self._loss, self._normalisation = loss.to(fabric.device), normalisation.to(fabric.device)
        self._augmentation = augmentation
        self._given = torch.from_numpy(labels.given).to(fabric.device)
        self._trusted = torch.from_numpy(labels.trusted).to(fabric.device)

    def add(self, step: Step, pictures: list[Tensor], *, cropped: bool) -> Tensor:
        """Add them up; returns this process's share of the mean loss times the number of processes.

        ``pictures`` are the images of the step's parts, uint8 ``[n, C, H, W]``; with ``cropped`` they were cropped as
        the draws say.
        """
        world = self._fabric.world_size
        total = torch.zeros((), device=self._fabric.device)
        for part, images in zip(step.parts, pictures, strict=True):
            x = self._normalisation(self._augmentation(images, part.draws, cropped=cropped))
            # The processes exchange gradients once a step. They average them, hence the factor.
            with self._fabric.no_backward_sync(self._network, enabled=part is not step.parts[-1]):
                value = self._value(part, x) * (part.share * world)
                self._fabric.backward(value)
            total += value.detach()
        return total

    def _value(self, part: Microbatch, x: Tensor) -> Tensor:
        rows, mixing = part.rows.to(x.device), part.draws.mixing
        logits, _ = self._network(x)
        value: Tensor = self._loss(logits, self._given[rows], self._trusted[rows])
        if mixing is not None:
            others = rows[mixing.partners.to(x.device)]
            value = torch.lerp(self._loss(logits, self._given[others], self._trusted[others]), value, mixing.weight)
        return value
