"""Memory format, precision and threads, chosen by measuring a few real steps on this machine.

Speed alone does not decide: bfloat16 keeps eight bits of a number, so it is taken only where its gradient on a real
batch points the same way as float32's (cosine ≥ 0.97, measured here) and the processor multiplies it in hardware.
"""

import copy
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Generic, Literal, TypeVar

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from capas.core.device import choose_device, cpu_has_bfloat16, physical_cores
from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.data.batch import TreeT, map_tensors
from capas.engine.config import ExecutionConfig
from capas.objectives.base import Objective, Phase, StepContext

Precision = Literal["float32", "bfloat16"]
MemoryFormat = Literal["contiguous", "channels_last"]
MIN_COSINE = 0.97
MAX_SLOWDOWN = 3.0
TRIAL_S = 6.0  # seconds
B = TypeVar("B")
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """How a run computes; kept with the run, so that it goes on the same way when resumed."""

    device: str
    precision: Precision
    memory_format: MemoryFormat
    threads: int
    reason: str
    measured: tuple["ThroughputMeasurement", ...] = ()

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)

    @staticmethod
    def from_json(tree: object) -> "Execution":
        """What ``json_response`` gave. Raises ValueError on anything else."""
        return TypeAdapter(Execution).validate_python(tree)

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which forward passes run."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)

    def place(self, network: nn.Module) -> nn.Module:
        """``network`` on the device and in the memory format, changed in place."""
        network.to(torch.device(self.device))
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=FORMATS[self.memory_format])
        return network

    def place_batch(self, tree: TreeT) -> TreeT:
        """Every tensor in ``tree`` (see ``moved``) on the device; pictures, N×C×H×W, in the memory format."""
        return map_tensors(tree, self._place_tensor)

    def _place_tensor(self, tensor: Tensor) -> Tensor:
        device = torch.device(self.device)
        if tensor.ndim == 4:
            return tensor.to(device, memory_format=FORMATS[self.memory_format], non_blocking=True)
        return tensor.to(device, non_blocking=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class ThroughputMeasurement:
    """The speed of one way to compute, in training examples per second."""

    precision: Precision
    memory_format: MemoryFormat
    threads: int
    examples_per_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialBatch(Generic[B]):
    """What is measured: every phase of ``objective`` on ``batch``, which holds ``examples`` examples. The objective
    is copied: its networks stay as they are.
    """

    objective: Objective[B]
    batch: B
    examples: int


def choose_execution(
    requested: ExecutionConfig,
    trial: TrialBatch[B],
    *,
    budget_s: float = TRIAL_S,
    stopped: Callable[[], bool] = lambda: False,
) -> Execution:
    """The fastest way to train what is in ``trial`` among those that ``wanted`` leaves open.

    Every candidate takes one step to warm up and then at least two, ``budget_s`` seconds in all at about. Where the
    user has ``stopped`` it, what was measured until then decides.
    """
    device = choose_device(requested.device)
    threads = thread_counts() if requested.threads == "auto" else [int(requested.threads)]
    formats: list[MemoryFormat] = (
        _formats(trial.objective) if requested.memory_format == "auto" else [requested.memory_format]
    )
    precisions, why_not = _precisions(requested, device)
    candidates = [
        Execution(device=str(device), precision=precision, memory_format=layout, threads=count, reason="")
        for precision, layout, count in product(precisions, formats, threads)
    ]
    if len(candidates) == 1:
        return _decided(candidates[0], [], why_not or say("choose.set_by_user"))
    if "bfloat16" in precisions and "float32" in precisions:
        cosine = gradient_cosine(trial, candidates)
        if cosine < MIN_COSINE:
            why_not = say("choose.bfloat16_inexact", cosine=format_decimal(cosine, 3))
            candidates = [c for c in candidates if c.precision == "float32"]
    measured = measure_throughput(candidates, trial, budget_s=budget_s, stopped=stopped)
    best = max(range(len(measured)), key=lambda i: measured[i].examples_per_s)
    ratio = measured[best].examples_per_s / min(m.examples_per_s for m in measured)
    if ratio <= MAX_SLOWDOWN:
        reason = say("choose.measured", count=len(candidates), ratio=format_decimal(ratio, 1))
    else:  # what is so slow had one step, its first: how slow it is in the long run is not known
        reason = say("choose.measured_far", count=len(candidates), ratio=format_decimal(MAX_SLOWDOWN, 0))
    return _decided(candidates[best], measured, f"{reason} {why_not}".strip())


def trial_budget_s(time_s: float) -> float:
    """Return how many seconds the ways to compute are measured: a tenth of a training of ``time_s`` seconds (0: no
    limit), and no more than of a long one.
    """
    return min(TRIAL_S, time_s / 10) if time_s else TRIAL_S


def thread_counts() -> list[int]:
    """How many threads to try: one per physical core, and when others keep the machine busy also as many as they leave
    free. Threads wait for each other at every layer, so one that has to share its core holds up all of them.
    """
    cores = max(1, physical_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))  # as torchrun sets it
    free = max(1, cores - round(os.getloadavg()[0]))
    return sorted({cores, free}, reverse=True)


def _precisions(requested: ExecutionConfig, device: torch.device) -> tuple[list[Precision], str]:
    if requested.precision != "auto":
        return [requested.precision], ""
    if device.type == "mps" or (device.type == "cpu" and not cpu_has_bfloat16()):
        return ["float32"], say("choose.no_bfloat16")
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return ["float32"], say("choose.no_bfloat16")
    return ["float32", "bfloat16"], ""


def _decided(chosen: Execution, measured: Sequence[ThroughputMeasurement], reason: str) -> Execution:
    torch.set_num_threads(chosen.threads)
    return Execution(
        device=chosen.device,
        precision=chosen.precision,
        memory_format=chosen.memory_format,
        threads=chosen.threads,
        reason=reason,
        measured=tuple(measured),
    )


def _formats(objective: Objective[B]) -> list[MemoryFormat]:
    """Both orders of pixels where a network has two-dimensional convolutions; elsewhere there is nothing to order."""
    parameters = [p for network in objective.networks.values() for p in network.parameters()]
    return ["contiguous", "channels_last"] if any(p.ndim == 4 for p in parameters) else ["contiguous"]


def measure_throughput(
    candidates: Sequence[Execution],
    trial: TrialBatch[B],
    *,
    budget_s: float,
    stopped: Callable[[], bool] = lambda: False,
) -> list[ThroughputMeasurement]:
    """Training speed of each candidate, in rounds A B C … A B C …, so that a passing disturbance hits all alike; the
    best round of each counts. What takes three times as long as the fastest to warm up is not asked again; once
    ``stopped`` nothing is, and candidates that had no turn are missing.
    """
    timed: list[tuple[Execution, TrialBatch[B], list[float]]] = []
    for candidate in candidates:
        if timed and stopped():
            break
        placed = _placed(trial, candidate)
        timed.append((candidate, placed, [_step_seconds(candidate, placed)]))
    fastest = min(seconds[0] for _, _, seconds in timed)
    hopeful = [one for one in timed if one[2][0] <= MAX_SLOWDOWN * fastest]
    started = time.perf_counter()
    rounds = 0
    while not stopped() and (rounds < 1 or (rounds < 8 and time.perf_counter() - started < budget_s)):
        for candidate, placed, seconds in hopeful:
            taken = _step_seconds(candidate, placed)
            seconds[:] = [taken] if rounds == 0 else [*seconds, taken]
        rounds += 1
    return [
        ThroughputMeasurement(
            precision=candidate.precision,
            memory_format=candidate.memory_format,
            threads=candidate.threads,
            examples_per_s=trial.examples / min(seconds),
        )
        for candidate, _, seconds in timed
    ]


def _placed(trial: TrialBatch[B], execution: Execution) -> TrialBatch[B]:
    objective = copy.deepcopy(trial.objective)
    for network in objective.networks.values():
        execution.place(network).train()
    return replace(trial, objective=objective, batch=execution.place_batch(trial.batch))


def _step_seconds(execution: Execution, trial: TrialBatch[B]) -> float:
    """Seconds of a mean step: those of each phase, as often as it is due and on as many batches as it takes."""
    return sum(
        _phase_seconds(execution, trial, phase) * phase.batches / phase.every for phase in trial.objective.phases
    )


def _phase_seconds(execution: Execution, trial: TrialBatch[B], phase: Phase) -> float:
    """Seconds of one forward and backward pass."""
    torch.set_num_threads(execution.threads)
    _synchronise(execution.device)
    started = time.perf_counter()
    for network in trial.objective.networks.values():
        network.zero_grad(set_to_none=True)
    context = StepContext(step=0, progress=0.0, rng=torch.Generator().manual_seed(0))
    with execution.autocast():
        losses = trial.objective.losses(trial.batch, phase, context)
    torch.autograd.backward(losses[phase.loss])
    _synchronise(execution.device)
    return time.perf_counter() - started


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def gradient_cosine(trial: TrialBatch[B], candidates: Sequence[Execution]) -> float:
    """Return the cosine, in [-1, 1], between the gradients of float32 and of bfloat16 on this batch; of several phases
    the least. Dropout and its like are switched off: chance would differ between the two.
    """
    return min(_phase_cosine(trial, candidates, phase) for phase in trial.objective.phases)


def _phase_cosine(trial: TrialBatch[B], candidates: Sequence[Execution], phase: Phase) -> float:
    gradients = []
    for precision in ("float32", "bfloat16"):
        execution = next(c for c in candidates if c.precision == precision)
        placed = _placed(trial, execution)
        for network in placed.objective.networks.values():
            for module in network.modules():
                module.training = isinstance(module, nn.modules.batchnorm._BatchNorm | nn.RNNBase)
        _phase_seconds(execution, placed, phase)
        corrected = [placed.objective.networks[name] for name in phase.networks]
        parameters = [p for network in corrected for p in network.parameters()]
        gradients.append(torch.cat([p.grad.flatten().float() for p in parameters if p.grad is not None]))
    return float(torch.nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0))
