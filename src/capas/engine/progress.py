"""How training comes along: its clock, its losses since the last report, and how fast it goes."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from capas.engine.checkpoint import TrainingPosition
from capas.engine.events import Stepped
from capas.engine.step import check_finite

REPORT_EVERY_S = 0.5


class TrainingClock:
    """Seconds of training, those before an interruption included."""

    def __init__(self, already: float) -> None:
        self._start = time.perf_counter() - already

    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._start


class LossAccumulator:
    """Losses since the last report. They stay on their device until then: asking for each would stall it."""

    def __init__(self) -> None:
        self._losses: dict[str, list[Tensor]] = {}
        self._sums: list[tuple[int, Tensor]] = []

    def add(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Take the losses of the phases that were due at ``step``, by name."""
        for name, loss in losses.items():
            self._losses.setdefault(name, []).append(loss.float())
        if losses:  # their sum is finite only when each of them is
            self._sums.append((step, torch.stack([loss.float() for loss in losses.values()]).sum()))

    def pop_means(self, rate: float, names: Callable[[int], list[str]]) -> dict[str, float]:
        """Return the mean of each loss since the last call; begins anew.

        Raises:
            CapasError: ``loss_not_finite`` at the first step at which one was not finite; ``names`` gives its examples.
        """
        sums = torch.stack([total for _, total in self._sums]).cpu() if self._sums else torch.zeros(1)
        for (step, _), total in zip(self._sums, sums.tolist(), strict=False):
            if not math.isfinite(total):
                check_finite(total, step, names(step), rate)
        means = {name: float(torch.stack(losses).mean()) for name, losses in self._losses.items()}
        self._losses.clear()
        self._sums.clear()
        return means


@dataclass(kw_only=True)
class Throughput:
    """How fast it goes, and when to say so."""

    clock: TrainingClock
    step: int
    reported_step: int = -1
    reported_at: float = 0.0
    started_at: float = 0.0

    def __post_init__(self) -> None:
        self.reported_step = self.step
        self.started_at = self.reported_at = self.clock.seconds()

    def is_report_due(self) -> bool:
        """Whether the last report is old."""
        return self.clock.seconds() - self.reported_at >= REPORT_EVERY_S

    def is_measured(self, position: TrainingPosition) -> bool:
        """Whether enough steps were made to tell the pace."""
        return position.step - self.step >= 5

    def seconds_per_step(self, position: TrainingPosition) -> float:
        """Mean seconds of a step since this process began training, evaluations and checkpoints included."""
        return (self.clock.seconds() - self.started_at) / max(1, position.step - self.step)

    def report(
        self,
        position: TrainingPosition,
        losses: Mapping[str, float],
        headline: str,
        learning_rate: float,
        batch_size: int,
    ) -> Stepped:
        """What to say now."""
        now = self.clock.seconds()
        speed = batch_size * (position.step - self.reported_step) / max(1e-9, now - self.reported_at)
        self.reported_step, self.reported_at = position.step, now
        return Stepped(
            step=position.step,
            total_steps=position.step + position.steps_left,
            loss=losses.get(headline, 0.0),
            losses=dict(losses),
            learning_rate=learning_rate,
            examples_per_s=speed,
            seconds=now,
            seconds_left=position.steps_left * self.seconds_per_step(position),
        )
