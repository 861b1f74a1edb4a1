"""From what a recipe put together to a loop that can run."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic

import torch
from torch import nn

from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import B, Execution, TrialBatch, choose_execution, trial_budget_s
from capas.engine.loop import Loop, StopRequest, float_or_default
from capas.engine.optim import Optimizer, make_optimizer, parameter_groups
from capas.engine.recipe import TrainingBatches, TrainingJob
from capas.engine.step import TrainingStepper
from capas.objectives.base import ChoosesOptimizers, Objective, OptimizerSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceBatches(Generic[B]):
    """The training batches on the device that trains."""

    training: TrainingBatches[B]
    execution: Execution

    @property
    def steps_per_epoch(self) -> float:
        return self.training.steps_per_epoch

    def iterate(self, start: int) -> Iterator[B]:
        for batch in self.training.iterate(start):
            yield self.execution.place_batch(batch)

    def names(self, step: int) -> list[str]:
        return self.training.names(step)


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltRun(Generic[B]):
    """A run that is ready to go."""

    job: TrainingJob[B]
    execution: Execution
    loop: Loop[B]


def build(
    config: Config,
    job: TrainingJob[B],
    *,
    checkpoints: Path,
    ranks: Ranks,
    stop: StopRequest,
    execution: Execution | None,
    samples: Path | None = None,
) -> BuiltRun[B]:
    """Everything that training needs. ``execution`` is given when a run is resumed, and measured when it is None."""
    objective, training = job.objective, job.batches
    if execution is None:
        trial = TrialBatch(
            objective=objective, batch=training.batch(0), examples=training.batch_size // ranks.world_size
        )
        budget_s = trial_budget_s(config.train.time_s)
        chosen = (
            choose_execution(config.execution, trial, budget_s=budget_s, stopped=lambda: stop.requested)
            if ranks.is_main
            else None
        )
        measured = "" if chosen is None else json.dumps(chosen.as_json())
        execution = Execution.from_json(json.loads(ranks.broadcast_text(measured)))
    torch.set_num_threads(execution.threads)
    for network in objective.networks.values():
        execution.place(network)
        ranks.broadcast_tensors(network.state_dict().values())
    optimizers = _optimizers(config, objective, job.head)
    stepper = TrainingStepper(
        objective=objective,
        optimizers=optimizers,
        execution=execution,
        ranks=ranks,
        seed=config.train.seed,
        clip=float_or_default(config.optim.clip, 0.0),
    )
    loop = Loop(
        stepper=stepper,
        batches=DeviceBatches(training=training, execution=execution),
        train=config.train,
        optim=config.optim,
        checkpoints=checkpoints,
        batch_size=training.batch_size,
        examples=training.examples,
        total_steps=_total_steps(config, training, execution, stepper.batches_per_step),
        learning_rate=float(config.optim.learning_rate),
        evaluate=partial(job.validate, execution) if job.has_validation else None,
        stop=stop,
        samples=samples,
    )
    return BuiltRun(job=job, execution=execution, loop=loop)


def _optimizers(config: Config, objective: Objective[B], head: str | tuple[str, ...] | None) -> dict[str, Optimizer]:
    """One for each name that the phases use, over the networks of all phases that use it."""
    specs = objective.optimizers if isinstance(objective, ChoosesOptimizers) else {}
    networks: dict[str, dict[str, nn.Module]] = {}
    for phase in objective.phases:
        chosen = {name: objective.networks[name] for name in phase.networks}
        networks.setdefault(phase.optimizer_name, {}).update(chosen)
    if unknown := set(specs) - set(networks):
        raise ValueError(f"optimizers {sorted(unknown)} belong to no phase; phases use {sorted(networks)}")
    return {name: _optimizer(config, specs.get(name, OptimizerSpec()), of, head) for name, of in networks.items()}


def _optimizer(
    config: Config, spec: OptimizerSpec, networks: Mapping[str, nn.Module], head: str | tuple[str, ...] | None
) -> Optimizer:
    rate = float(config.optim.learning_rate) if spec.learning_rate is None else spec.learning_rate
    decay = float(config.optim.weight_decay) if spec.weight_decay is None else spec.weight_decay
    groups = [
        group
        for name, network in networks.items()
        for group in parameter_groups(
            network, name=name, learning_rate=rate, weight_decay=decay, head=head,
            backbone_rate=config.optim.backbone_rate, rate_factors=spec.rate_factors,
        )
    ]  # fmt: skip
    kind = spec.kind or config.optim.optimizer
    assert kind != "auto"
    return Optimizer(
        make_optimizer(kind, groups, spec.betas),
        warmup=float_or_default(config.optim.warmup, 0.2),
        schedule=spec.schedule or config.optim.schedule,
    )


def _total_steps(config: Config, training: TrainingBatches[B], execution: Execution, batches: int) -> int:
    """Steps of ``batches`` batches each."""
    if config.train.time_s and execution.measured:
        speed = max(m.examples_per_s for m in execution.measured)
        return max(1, int(config.train.time_s * speed / training.batch_size))
    return max(1, round(float(config.train.epochs) * training.steps_per_epoch / batches))
