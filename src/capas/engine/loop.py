"""The loop: a generator that yields what happens, for any objective.

A run's place is its ``TrainingPosition``: the step, and how far along the schedule it is. With a time budget the remaining
steps are planned anew at each evaluation, from the pace so far, so that the schedule always reaches its end in time.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from capas.core.errors import CapasError
from capas.engine.checkpoint import (
    TrainingPosition,
    discard_newer_files,
    newest_checkpoint,
    optimizer_tensors,
    read_best_weights,
    restore_optimizers,
    save_best_weights,
    save_checkpoint,
)
from capas.engine.config import OptimConfig, TrainConfig
from capas.engine.events import Evaluated, Event, Failed, Finished, Resumed, Saved, Started, Stepped, Stopped
from capas.engine.optim import WeightAverage, named_tensors, schedule_factor
from capas.engine.step import TrainingStepper, check_finite, set_mode
from capas.objectives.base import BatchT

REPORT_EVERY_S = 0.5


@runtime_checkable
class Batches(Protocol[BatchT]):  # type: ignore[misc]
    """Where batches come from: the same batch for the same step, always."""

    @property
    def steps_per_epoch(self) -> float:
        """Steps in one pass over the examples."""

    def iterate(self, start: int) -> Iterator[BatchT]:
        """Batches from step ``start`` on, without end."""

    def names(self, step: int) -> list[str]:
        """The names of the examples in the batch of ``step``, to be told when something is wrong with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationScore:
    """How the networks do on the validation split; ``value`` is better when higher."""

    metric: str
    value: float
    loss: float
    n: int


class StopRequest:
    """Set when the user presses Ctrl-C; the loop then saves and ends. A second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.requested = False

    @contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Take SIGINT and SIGTERM for as long as the context lasts (in the main thread; elsewhere nothing happens)."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        former = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class TrainingClock:
    """Seconds of training, those before an interruption included."""

    def __init__(self, already: float) -> None:
        self._start = time.perf_counter() - already

    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._start


class LossAccumulator:
    """Losses since the last report. They stay on their device until then: asking for each would stall it."""

    def __init__(self, reported: str) -> None:
        self._reported = reported
        self._losses: list[Tensor] = []
        self._sums: list[tuple[int, Tensor]] = []

    def add(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """The losses of the phases that were due at ``step``."""
        if self._reported in losses:
            self._losses.append(losses[self._reported].float())
        if losses:  # their sum is finite only when each of them is
            self._sums.append((step, torch.stack([loss.float() for loss in losses.values()]).sum()))

    def pop_mean(self, rate: float, names: Callable[[int], list[str]]) -> float:
        """The mean of the reported loss, 0 where there was none; begins anew. Raises CapasError at the first step at
        which a loss was not finite.
        """
        sums = torch.stack([total for _, total in self._sums]).cpu() if self._sums else torch.zeros(1)
        for (step, _), total in zip(self._sums, sums.tolist(), strict=False):
            if not math.isfinite(total):
                check_finite(total, step, names(step), rate)
        mean = float(torch.stack(self._losses).mean()) if self._losses else 0.0
        self._losses.clear()
        self._sums.clear()
        return mean


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop(Generic[BatchT]):
    """One run of training. ``evaluate`` is asked for the validation score of the networks as they then are; it is None
    when there is no validation split. Checkpoints go to the folder ``checkpoints``; ``total_steps`` is the plan at the
    outset, and ``learning_rate`` the peak, which is only reported.
    """

    stepper: TrainingStepper[BatchT]
    batches: Batches[BatchT]
    train: TrainConfig
    optim: OptimConfig
    checkpoints: Path
    batch_size: int
    examples: int
    total_steps: int
    learning_rate: float
    evaluate: Callable[[], ValidationScore] | None
    stop: StopRequest

    def run(self) -> Iterator[Event]:
        """Train to the end, yielding events; goes on from the newest checkpoint where there is one. At the end the
        networks hold the weights that did best on validation, or the last averaged ones without validation.
        """
        set_mode(self.networks, training=True)
        average = WeightAverage(self.networks, decay) if (decay := float_or_default(self.optim.ema, 0.98)) else None
        position = self._restore(average)
        if position.step:
            yield Resumed(step=position.step)
        total = position.step + position.steps_left
        yield Started(
            step=position.step,
            total_steps=total,
            epochs=total / self.batches.steps_per_epoch,
            batch_size=self.batch_size,
            examples=self.examples,
        )
        reached = position.step
        try:
            for event in self._train(position, average):
                reached = event.step
                yield event
        except CapasError as error:
            yield Failed(step=reached, key=error.key, message=str(error))
            raise

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks that are trained."""
        return self.stepper.objective.networks

    def _train(self, position: TrainingPosition, average: WeightAverage | None) -> Iterator[Event]:
        clock = TrainingClock(already=position.seconds)
        throughput = Throughput(clock=clock, step=position.step)
        losses = LossAccumulator(self.stepper.objective.phases[0].loss)
        stream = self.batches.iterate(position.step)
        saved_at, saved_step = clock.seconds(), position.step
        finished = position.steps_left == 0
        warmup = float_or_default(self.optim.warmup, 0.2)
        while not finished:
            rate = schedule_factor(position.progress, warmup=warmup, schedule=self.optim.schedule)
            losses.add(position.step, self.stepper.step(next(stream), position.step, rate))
            position = next_position(position, clock)
            if average:
                average.update(self.networks, position.step)
            stopping, save_due, report_due = self.stepper.ranks.broadcast_flags(
                self.stop.requested,
                self._save_due(position, clock.seconds() - saved_at, saved_step),
                throughput.is_report_due(),
            )
            last = position.steps_left == 0
            evaluating = self.evaluate is not None and (last or self._evaluation_due(position))
            saving = last or stopping or save_due
            if evaluating or saving or report_due:
                loss = losses.pop_mean(rate * self.learning_rate, self.batches.names)
                position = position if last else self._replanned(position, throughput)
                yield throughput.report(position, loss, rate * self.learning_rate, self.batch_size)
            if evaluating:
                event, position = self._evaluate(position, average, clock)
                saving |= event.best
                yield event
            early = bool(self.train.patience) and position.since_best >= self.train.patience
            if (saving or early) and self.stepper.ranks.is_main:
                path = self._save(replace(position, seconds=clock.seconds()), average)
                saved_at, saved_step = clock.seconds(), position.step
                yield Saved(step=position.step, path=path.name)
            finished = early or position.steps_left == 0
            if stopping and not finished:
                yield Stopped(step=position.step, total_steps=position.step + position.steps_left)
                return
        if self.stepper.ranks.is_main:
            self._take_final_weights(position, average)
        yield Finished(step=position.step, seconds=clock.seconds(), early=position.steps_left > 0)

    def _evaluation_due(self, position: TrainingPosition) -> bool:
        total = position.step + position.steps_left
        return position.step - position.evaluated_step >= -(-total // self.train.evaluations)

    def _save_due(self, position: TrainingPosition, seconds: float, saved_step: int) -> bool:
        if self.train.checkpoint_steps:
            return position.step - saved_step >= self.train.checkpoint_steps
        return seconds >= self.train.checkpoint_s

    def _replanned(self, position: TrainingPosition, throughput: "Throughput") -> TrainingPosition:
        """With a time budget, as many steps are left as fit into the time left at the pace so far."""
        if not self.train.time_s or not throughput.is_measured(position):
            return position
        left = int((self.train.time_s - throughput.clock.seconds()) / throughput.seconds_per_step(position))
        return replace(position, steps_left=int(self.stepper.ranks.broadcast(max(1, left))))

    def _evaluate(
        self, position: TrainingPosition, average: WeightAverage | None, clock: TrainingClock
    ) -> tuple[Evaluated, TrainingPosition]:
        assert self.evaluate is not None
        with use_averaged_weights(self.networks, average):
            score = self.evaluate()
            check_finite(score.loss, position.step, self.batches.names(position.step - 1), self.learning_rate)
            (best,) = self.stepper.ranks.broadcast_flags(score.value >= position.best)
            if best and self.stepper.ranks.is_main:
                save_best_weights(self.checkpoints, named_tensors(self.networks), position.step)
        event = Evaluated(
            step=position.step,
            metric=score.metric,
            value=score.value,
            loss=score.loss,
            n=score.n,
            best=best,
            seconds=clock.seconds(),
        )
        position = replace(position, evaluated_step=position.step, since_best=position.since_best + 1)
        if best:
            position = replace(position, best=score.value, best_step=position.step, since_best=0)
        return event, position

    # --- keeping and taking up again -----------------------------------------------------------------------------

    def _save(self, position: TrainingPosition, average: WeightAverage | None) -> Path:
        tensors = named_tensors(self.networks) | optimizer_tensors(self.stepper.optimizers)
        if average:
            tensors |= {f"average.{name}": tensor for name, tensor in average.tensors.items()}
        return save_checkpoint(self.checkpoints, tensors, position)

    def _restore(self, average: WeightAverage | None) -> TrainingPosition:
        found = newest_checkpoint(self.checkpoints)
        if self.stepper.ranks.is_main:
            discard_newer_files(self.checkpoints, found[1].step if found else 0)
        if found is None:
            return TrainingPosition(steps_left=self.total_steps)
        tensors, position = found
        load_state(self.networks, tensors)
        restore_optimizers(self.stepper.optimizers, tensors)
        if average:
            for name, tensor in average.tensors.items():
                tensor.copy_(tensors[f"average.{name}"])
        return position

    def _take_final_weights(self, position: TrainingPosition, average: WeightAverage | None) -> None:
        if position.best_step >= 0:
            load_state(self.networks, read_best_weights(self.checkpoints, position.best_step))
        elif average:
            load_state(self.networks, average.tensors)


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

    def report(self, position: TrainingPosition, loss: float, learning_rate: float, batch_size: int) -> Stepped:
        """What to say now."""
        now = self.clock.seconds()
        speed = batch_size * (position.step - self.reported_step) / max(1e-9, now - self.reported_at)
        self.reported_step, self.reported_at = position.step, now
        return Stepped(
            step=position.step,
            total_steps=position.step + position.steps_left,
            loss=loss,
            learning_rate=learning_rate,
            examples_per_s=speed,
            seconds=now,
            seconds_left=position.steps_left * self.seconds_per_step(position),
        )


def float_or_default(value: float | str, default: float) -> float:
    """``value``, or ``default`` where it was left at "auto"."""
    return default if isinstance(value, str) else value


def next_position(position: TrainingPosition, clock: TrainingClock) -> TrainingPosition:
    """One step further: the way that is left on the schedule is divided evenly among the steps that are left."""
    return replace(
        position,
        step=position.step + 1,
        progress=position.progress + (1 - position.progress) / position.steps_left,
        steps_left=position.steps_left - 1,
        seconds=clock.seconds(),
    )


@contextmanager
def use_averaged_weights(networks: Mapping[str, nn.Module], average: WeightAverage | None) -> Iterator[None]:
    """The networks with their averaged weights, in evaluation mode; afterwards as before, in training mode."""
    former = {name: tensor.clone() for name, tensor in named_tensors(networks).items()} if average else {}
    if average:
        load_state(networks, average.tensors)
    set_mode(networks, training=False)
    try:
        yield
    finally:
        if average:
            load_state(networks, former)
        set_mode(networks, training=True)


@torch.no_grad()
def load_state(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Copy ``tensors`` into the networks, in place, so that optimisers and memory layouts stay valid."""
    for name, tensor in named_tensors(networks).items():
        tensor.copy_(tensors[name])
