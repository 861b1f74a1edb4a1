"""How a run computes is measured where the user left it open, and only there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from capas.data.batch import Batch
from capas.engine import execution
from capas.engine.config import ExecutionConfig
from capas.engine.execution import (
    Execution,
    ThroughputMeasurement,
    TrialBatch,
    choose_execution,
    gradient_cosine,
    measure_throughput,
    trial_budget_s,
)
from capas.objectives.base import Phase, StepContext

SPEED: dict[tuple[str, str], float] = {
    ("float32", "contiguous"): 100.0,
    ("float32", "channels_last"): 150.0,
    ("bfloat16", "contiguous"): 300.0,
    ("bfloat16", "channels_last"): 200.0,
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Execution]:
    """A processor with bfloat16 and two free cores, whose speeds are those above; what was measured is listed."""
    asked: list[Execution] = []

    def measure(
        candidates: Sequence[Execution], trial: TrialBatch[Tensor], *, budget_s: float, stopped: Callable[[], bool]
    ) -> list[ThroughputMeasurement]:
        asked.extend(candidates)
        return [
            ThroughputMeasurement(
                precision=c.precision,
                memory_format=c.memory_format,
                threads=c.threads,
                examples_per_s=SPEED[c.precision, c.memory_format] * c.threads,
            )
            for c in candidates
        ]

    monkeypatch.setattr(execution, "measure_throughput", measure)
    monkeypatch.setattr(execution, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(execution, "thread_counts", lambda: [2, 1])
    return asked


def loss(outputs: Tensor) -> Tensor:
    return outputs.square().mean()


def unreliable(outputs: Tensor) -> Tensor:
    """A loss whose gradient turns round in bfloat16."""
    return outputs.square().mean() if outputs.dtype == torch.float32 else -outputs.square().mean()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lowering:
    """Brings down the loss of what the network makes of a batch."""

    network: nn.Module
    loss: Callable[[Tensor], Tensor]

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"one": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="learn", loss="loss", networks=("one",)),)

    def losses(self, batch: Tensor, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        return {phase.loss: self.loss(self.network(batch))}


def trial(
    network: nn.Module, of: Callable[[Tensor], Tensor] = loss, *, batch: Tensor | None = None
) -> TrialBatch[Tensor]:
    pictures = torch.rand(4, 1, 8, 8) if batch is None else batch
    return TrialBatch(objective=Lowering(network=network, loss=of), batch=pictures, examples=len(pictures))


def decided(wanted: dict[str, object], of: Callable[[Tensor], Tensor] = loss) -> Execution:
    config = ExecutionConfig.model_validate({"device": "cpu", **wanted})
    return choose_execution(config, trial(nn.Conv2d(1, 4, 3), of))


def way(execution: Execution) -> tuple[str, str, int]:
    return execution.precision, execution.memory_format, execution.threads


def test_the_fastest_is_taken_and_the_reason_given(machine: list[Execution]) -> None:
    found = decided({})
    assert way(found) == ("bfloat16", "contiguous", 2) and len(machine) == len(found.measured) == 8
    assert "fastest of 8" in found.reason and "more than 3 times" in found.reason


def test_a_ratio_is_given_where_both_were_measured_more_than_once(machine: list[Execution]) -> None:
    assert ", 2.0 times as fast" in decided({"precision": "bfloat16", "memory_format": "contiguous"}).reason


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"precision": "float32"}, ("float32", "channels_last", 2)),
        ({"memory_format": "channels_last"}, ("bfloat16", "channels_last", 2)),
        ({"threads": 1}, ("bfloat16", "contiguous", 1)),
        ({"threads": 3, "precision": "float32"}, ("float32", "channels_last", 3)),
    ],
)
def test_what_the_user_set_is_not_tried_otherwise(
    wanted: dict[str, object], expected: tuple[str, str, int], machine: list[Execution]
) -> None:
    assert way(decided(wanted)) == expected
    for key, value in wanted.items():
        assert {getattr(tried, key) for tried in machine} == {value}


def test_when_all_is_set_nothing_is_measured(machine: list[Execution]) -> None:
    found = decided({"precision": "float32", "memory_format": "contiguous", "threads": 1})
    assert way(found) == ("float32", "contiguous", 1) and machine == [] and found.measured == ()
    assert found.reason == "As you set it."


def test_bfloat16_is_left_out_where_its_gradient_points_elsewhere(machine: list[Execution]) -> None:
    found = decided({}, unreliable)
    assert way(found) == ("float32", "channels_last", 2)
    assert {tried.precision for tried in machine} == {"float32"} and "cosine -" in found.reason


def test_bfloat16_is_left_out_where_the_processor_lacks_it(
    machine: list[Execution], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "cpu_has_bfloat16", lambda: False)
    found = decided({})
    assert found.precision == "float32" and {tried.precision for tried in machine} == {"float32"}
    assert "no instructions for it" in found.reason
    assert decided({"precision": "bfloat16"}).precision == "bfloat16"  # asked for is asked for


def test_gradients_of_the_two_precisions_are_compared() -> None:
    network = nn.Conv2d(1, 4, 3)
    ways = [Execution(device="cpu", precision=p, memory_format="contiguous", threads=1, reason="")
            for p in execution.Precision.__args__]  # type: ignore[attr-defined]  # fmt: skip
    assert gradient_cosine(trial(network), ways) > 0.999
    assert gradient_cosine(trial(network, unreliable), ways) < -0.999


def test_measuring_runs_every_way_and_leaves_the_network_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    config = ExecutionConfig.model_validate({"device": "cpu", "precision": "float32", "threads": 1})
    found = choose_execution(config, trial(network), budget_s=0.0)
    assert {m.memory_format for m in found.measured} == {"contiguous", "channels_last"}
    assert all(m.examples_per_s > 0 for m in found.measured)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_without_pictures_has_no_memory_format_to_choose(machine: list[Execution]) -> None:
    config = ExecutionConfig.model_validate({"device": "cpu", "precision": "float32"})
    choose_execution(config, trial(nn.Linear(8, 2), batch=torch.rand(4, 8)))
    assert {tried.memory_format for tried in machine} == {"contiguous"}


def test_what_was_chosen_reads_back_and_nonsense_is_refused() -> None:
    found = decided({})
    assert Execution.from_json(found.as_json()) == found
    for change in ({"precision": "float8"}, {"threads": "many"}, {"memory_format": None}, {"measured": [3]}):
        with pytest.raises(ValueError, match="validation error"):
            Execution.from_json({**found.as_json(), **change})
    with pytest.raises(ValueError, match="validation error"):
        Execution.from_json([])


def test_a_network_is_placed_in_the_memory_format_that_was_chosen() -> None:
    network, images = nn.Conv2d(3, 4, 3), torch.rand(2, 3, 8, 8)
    weight = network.weight
    execution = Execution(device="cpu", precision="bfloat16", memory_format="channels_last", threads=1, reason="")
    assert execution.place(network) is network and network.weight is weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert execution.place_batch(images).is_contiguous(memory_format=torch.channels_last)
    with execution.autocast():
        assert network(images).dtype == torch.bfloat16


def test_every_tensor_of_a_batch_is_placed_and_only_pictures_change_their_order() -> None:
    execution = Execution(device="cpu", precision="float32", memory_format="channels_last", threads=1, reason="")
    pictures, labels = torch.rand(2, 3, 8, 8), torch.arange(2)
    batch = Batch(inputs=(pictures, {"more": pictures}), targets=labels, positions=labels)
    placed = execution.place_batch(batch)
    first, rest = placed.inputs
    for one in (first, rest["more"]):
        assert one.is_contiguous(memory_format=torch.channels_last) and torch.equal(one, pictures)
    assert torch.equal(placed.targets, labels) and placed.mix is None


@pytest.mark.parametrize(("time_s", "budget_s"), [(0.0, 6.0), (5.0, 0.5), (600.0, 6.0)])
def test_measuring_takes_little_of_a_short_time(time_s: float, budget_s: float) -> None:
    assert trial_budget_s(time_s) == budget_s


def test_a_stop_ends_the_measuring_after_the_step_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Execution] = []

    def timed(candidate: Execution, placed: TrialBatch[Tensor]) -> float:
        steps.append(candidate)
        return 0.01

    monkeypatch.setattr(execution, "_step_seconds", timed)
    monkeypatch.setattr(execution, "_placed", lambda one, candidate: one)
    ways = [Execution(device="cpu", precision="float32", memory_format="contiguous", threads=n, reason="")
            for n in (1, 2, 3)]  # fmt: skip
    found = measure_throughput(ways, trial(nn.Flatten()), budget_s=60, stopped=lambda: len(steps) >= 2)
    assert len(steps) == 2 and [one.threads for one in found] == [1, 2]
