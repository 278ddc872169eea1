"""How the learning rate changes while a network trains: the table ``[schedule]`` of a recipe."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch.optim import Optimizer
from torch.optim import lr_scheduler as torch_schedules

from models.errors import LookalikeError


class ScheduleError(LookalikeError):
    """The schedule can't go by what it is told to; the message names it."""


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OneCycle(_Spec):
    """Up to the recipe's learning rate and down again, once (Smith and Topin 2018)."""

    kind: Literal["one-cycle"] = "one-cycle"
    rise: float = Field(default=0.2, gt=0, lt=1)
    """Share of the steps on the way up."""


class Cosine(_Spec):
    """From the recipe's learning rate down to nearly nothing along a cosine, then anew (Loshchilov and Hutter 2017)."""

    kind: Literal["cosine"]
    cycles: int = Field(default=1, gt=0)
    """How often it comes down; after each but the last it restarts at the top."""
    growth: int = Field(default=1, gt=0)
    """By how much each cycle is longer than the one before."""


class Plateau(_Spec):
    """Constant, and smaller by a factor whenever a figure has not improved for a while."""

    kind: Literal["plateau"]
    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=5, ge=0)
    """Epochs without improvement that are let pass."""
    watch: str = "loss"
    """A figure of the epoch that should fall, for instance ``loss`` or ``held_out_loss``."""


ScheduleSpec = Annotated[OneCycle | Cosine | Plateau, Field(discriminator="kind")]


class Schedule:
    """A schedule on its way; ``momentum`` is that at the peak of one-cycle, and otherwise."""

    def __init__(
        self, spec: ScheduleSpec, optimizer: Optimizer, momentum: tuple[float, float], *, epochs: int, steps: int
    ) -> None:
        """``steps`` are those of an epoch."""
        self._optimizer = optimizer
        self._watch = spec.watch if isinstance(spec, Plateau) else None
        peak, total = optimizer.param_groups[0]["lr"], epochs * steps
        self._schedule: torch_schedules.LRScheduler
        match spec:
            case OneCycle():
                # A rise of exactly one step makes OneCycleLR divide by zero.
                rise = spec.rise if abs(spec.rise * total - 1) > 1e-6 else 1.5 * spec.rise
                self._schedule = torch_schedules.OneCycleLR(
                    optimizer,
                    peak,
                    total_steps=total,
                    pct_start=rise,
                    base_momentum=momentum[0],
                    max_momentum=momentum[1],
                )
            case Cosine():
                shares = sum(spec.growth**cycle for cycle in range(spec.cycles))
                self._schedule = torch_schedules.CosineAnnealingWarmRestarts(
                    optimizer, max(1, -(-total // shares)), T_mult=spec.growth
                )
            case Plateau():
                self._schedule = torch_schedules.ReduceLROnPlateau(
                    optimizer, factor=spec.factor, patience=spec.patience
                )

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        rate: float = self._optimizer.param_groups[0]["lr"]
        return rate

    def after_step(self) -> None:
        """Move on by a step."""
        if self._watch is None:
            self._schedule.step()

    def after_epoch(self, figures: Mapping[str, float]) -> None:
        """Look at the figures of an epoch; raises ``ScheduleError`` where the one to watch is not among them."""
        if self._watch is None:
            return
        if self._watch not in figures:
            raise ScheduleError(f"the plateau schedule watches {self._watch!r}; an epoch has {sorted(figures)}")
        self._schedule.step(figures[self._watch])  # type: ignore[arg-type] # ReduceLROnPlateau's takes a figure

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` takes to go on here."""
        return self._schedule.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken."""
        self._schedule.load_state_dict(state)
