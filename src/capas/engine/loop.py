"""The loop: a generator that yields what happens, for any objective.

A run's place is its ``TrainingPosition``: the step, and how far along the schedule it is. With a time budget the
remaining steps are planned anew at each evaluation, from the throughput so far, so that the schedule always reaches
its end in time.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final, Generic, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.image.io import write_image_grid
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
from capas.engine.events import Evaluated, Event, Failed, Finished, Resumed, Sampled, Saved, Started, Stopped
from capas.engine.optim import WeightAverage, named_tensors, schedule_factor
from capas.engine.progress import LossAccumulator, Throughput, TrainingClock
from capas.engine.step import TrainingStepper, check_finite, set_mode
from capas.objectives.base import BatchT, ChoosesAverages, HasState, Samples


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


FIRST_SAMPLE_S: Final = 20.0  # a picture within the first minute says whether to go on waiting
NUM_SAMPLES: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationScore:
    """How the networks do on the validation split.

    Attributes:
        metric: Name of the metric.
        value: The metric, better when higher.
        loss: The loss, better when lower.
        n: Number of examples.
        by_loss: Whether the loss chooses the weights that are kept. It should where the metric counts whole examples:
            of few, many weights get equally many right, and the last of them are the most overconfident.
        keep_latest: Whether the latest weights are kept, whatever their score.
    """

    metric: str
    value: float
    loss: float
    n: int
    by_loss: bool = False
    keep_latest: bool = False

    @property
    def selection(self) -> float:
        """What the weights are chosen by, better when higher; of equals the latest are kept."""
        return 0.0 if self.keep_latest else -self.loss if self.by_loss else self.value


class StopRequest:
    """Set when the user presses Ctrl-C or closes the terminal, or the machine is shut down; the loop then saves and
    ends. A second Ctrl-C ends at once.
    """

    def __init__(self) -> None:
        self.requested = False

    @contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Take SIGINT, SIGTERM and SIGHUP for as long as the context lasts (in the main thread; elsewhere nothing
        happens). Under ``nohup``, which ignores SIGHUP, training goes on when the terminal is closed.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        former = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
        }
        try:
            yield self
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: object) -> None:
        if number == signal.SIGHUP:
            _leave_terminal()
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True


def _leave_terminal() -> None:
    """Send what is still said nowhere: writing to a closed terminal is an error, and would come before saving."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        if os.isatty(descriptor):
            os.dup2(nowhere, descriptor)
    os.close(nowhere)


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop(Generic[BatchT]):
    """One run of training.

    Attributes:
        stepper: Runs the phases of a step.
        batches: Where batches come from.
        train: For how long, and how often to look.
        optim: Schedule and moving average.
        checkpoints: Folder of the checkpoints.
        batch_size: Examples in a batch, those of all ranks together.
        examples: Examples in an epoch.
        total_steps: The plan at the outset.
        learning_rate: Peak of the schedule; it is only reported.
        evaluate: Gives the validation score of the networks as they then are; None without a validation split.
        stop: Set when the user wants to stop.
        samples: Folder for what an objective that ``Samples`` makes while it learns; None for none.
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
    samples: Path | None = None

    def run(self) -> Iterator[Event]:
        """Train to the end, yielding events; goes on from the newest checkpoint where there is one. At the end the
        networks hold the weights that did best on validation, or the last averaged ones without validation.
        """
        set_mode(self.networks, training=True)
        decays = self._average_decays()
        average = WeightAverage(self.networks, decays) if decays else None
        position = self._restore(average)
        if position.step:
            yield Resumed(step=position.step)
        total = position.step + position.steps_left
        yield Started(
            step=position.step,
            total_steps=total,
            epochs=total * self.stepper.batches_per_step / self.batches.steps_per_epoch,
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

    def _average_decays(self) -> Mapping[str, float]:
        """Decay of the moving average by network: what the objective says, else one for all; none where it is 0."""
        objective = self.stepper.objective
        if isinstance(objective, ChoosesAverages):
            return objective.averages
        decay = float_or_default(self.optim.ema, 0.98)
        return dict.fromkeys(self.networks, decay) if decay else {}

    def _train(self, position: TrainingPosition, average: WeightAverage | None) -> Iterator[Event]:
        clock = TrainingClock(already=position.seconds)
        throughput = Throughput(clock=clock, step=position.step)
        losses, headline = LossAccumulator(), self.stepper.objective.phases[0].loss
        each = self.stepper.batches_per_step
        stream = self.batches.iterate(position.step * each)
        saved_at, saved_step = clock.seconds(), position.step
        finished = position.steps_left == 0
        warmup = float_or_default(self.optim.warmup, 0.2)
        sampled = position.step > 0
        while not finished:
            rate = schedule_factor(position.progress, warmup=warmup, schedule=self.optim.schedule)
            taken = list(islice(stream, each))
            losses.add(position.step, self.stepper.step(taken, position.step, position.progress))
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
                means = losses.pop_means(rate * self.learning_rate, self._names)
                position = position if last else self._replanned(position, throughput)
                speed = self.batch_size * each
                yield throughput.report(position, means, headline, rate * self.learning_rate, speed)
            if self._sample_due(position, last=last, early=not sampled and clock.seconds() >= FIRST_SAMPLE_S):
                sampled = True
                yield self._sample(position, average)
            if evaluating:
                event, position = self._evaluate(position, average, clock)
                saving |= event.best
                yield event
            elif self._evaluation_due(position):
                position = replace(position, evaluated_step=position.step)
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

    def _names(self, step: int) -> list[str]:
        """The examples of all batches of ``step``."""
        each = self.stepper.batches_per_step
        return [name for batch in range(step * each, (step + 1) * each) for name in self.batches.names(batch)]

    def _sample_due(self, position: TrainingPosition, *, last: bool, early: bool) -> bool:
        """Whenever validation is due or would be, and once soon after the beginning."""
        if self.samples is None or not self.stepper.ranks.is_main or not isinstance(self.stepper.objective, Samples):
            return False
        return last or early or self._evaluation_due(position)

    def _sample(self, position: TrainingPosition, average: WeightAverage | None) -> Sampled:
        """Always from the same noise, so that one sees it become something."""
        assert self.samples is not None and isinstance(self.stepper.objective, Samples)
        with use_averaged_weights(self.networks, average), torch.no_grad():
            images = self.stepper.objective.sample(NUM_SAMPLES, seeded_generator(self.stepper.seed, "sample"))
        path = self.samples / f"step-{position.step:08d}.png"
        write_image_grid(path, images)
        return Sampled(step=position.step, path=path.name, count=len(images))

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
            check_finite(score.loss, position.step, self._names(position.step - 1), self.learning_rate)
            (best,) = self.stepper.ranks.broadcast_flags(position.best is None or score.selection >= position.best)
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
            position = replace(position, best=score.selection, best_step=position.step, since_best=0)
        return event, position

    # --- keeping and taking up again -----------------------------------------------------------------------------

    def _save(self, position: TrainingPosition, average: WeightAverage | None) -> Path:
        tensors = named_tensors(self.networks) | optimizer_tensors(self._inner_optimizers())
        if isinstance(self.stepper.objective, HasState):
            tensors |= {
                f"objective.{name}": tensor.clone() for name, tensor in self.stepper.objective.state_dict().items()
            }
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
        restore_optimizers(self._inner_optimizers(), tensors)
        if isinstance(self.stepper.objective, HasState):
            own = {n.removeprefix("objective."): tensor for n, tensor in tensors.items() if n.startswith("objective.")}
            self.stepper.objective.load_state_dict(own)
        if average:
            for name, tensor in average.tensors.items():
                tensor.copy_(tensors[f"average.{name}"])
        return position

    def _inner_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {name: optimizer.inner for name, optimizer in self.stepper.optimizers.items()}

    def _take_final_weights(self, position: TrainingPosition, average: WeightAverage | None) -> None:
        if position.best_step >= 0:
            load_state(self.networks, read_best_weights(self.checkpoints, position.best_step))
        elif average:
            load_state(self.networks, average.tensors)


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
    """Copy ``tensors`` into the networks, in place, so that optimizers and memory layouts stay valid; what is not among
    them stays as it is."""
    for name, tensor in named_tensors(networks).items():
        if name in tensors:
            tensor.copy_(tensors[name])
