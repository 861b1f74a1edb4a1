"""A job with one output per example, on inputs and a network whose answers are known."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.data.batch import Batch, SampledBatches, batches_with_targets
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord, PseudoLabelledExamples
from capas.engine.distributed import Ranks
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.single_output import learn as module
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.inputs import PreparedInputs
from capas.engine.recipes.single_output.learn import SingleOutputJob
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE
from tests.engine.recipes.made_work import FLOAT32, network_card, spec_of

SPEC = spec_of("classify", "number", classes=("low", "high"))
LABELS = [0, 1, 0, 1, 0, 1, 1, 0]
SPLITS = ("train", "train", "validation", "test", "train", "validation", "test", "train")
VALUES = torch.tensor([-1.0, 2.0, -3.0, 4.0, -5.0, 6.0, -7.0, -8.0])


class Threshold(nn.Module):
    """Logits 0 and x."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([torch.zeros_like(x), self.one * x], 1)


class Inputs:
    """``PreparedInputs`` of one number per example; says what it was asked for."""

    head: str | None = None
    baseline = DENSE_BASELINE

    def __init__(self) -> None:
        self.outputs = 0
        self.trained = list[int]()
        self.parts = list[int]()

    def network(self, num_outputs: int) -> nn.Module:
        self.outputs = num_outputs
        return Threshold()

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        return network_card("made", num_classes=num_outputs)

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> SampledBatches[Batch[Tensor]]:
        self.trained = positions.tolist()
        order = training_sampler(Config().merged({"train.batch_size": 2}), positions, ranks)
        return batches_with_targets(order, [str(i) for i in range(8)], targets, lambda chosen, rng: self.take(chosen))

    def take(self, positions: Tensor) -> Tensor:
        self.parts.append(len(positions))
        return VALUES[positions]

    def features(self, positions: Tensor) -> Tensor:
        return VALUES[positions][:, None]

    def as_json(self) -> Mapping[str, object]:
        return {"kind": "numbers"}


def job(inputs: Inputs, *, taught: PseudoLabelledExamples | None = None) -> SingleOutputJob[Tensor]:
    record = DatasetRecord(
        source="made", spec=SPEC, names=tuple(f"n{i}" for i in range(8)), hashes=("h",) * 8, labels=tuple(LABELS),
        splits=SPLITS, taught=taught,
    )  # fmt: skip
    return SingleOutputJob(inputs, ClassHead(SPEC.classes), record, Config(), Ranks())


def test_the_protocol_is_met() -> None:
    assert isinstance(Inputs(), PreparedInputs)


def test_training_is_on_the_training_split() -> None:
    inputs = Inputs()
    held = job(inputs)
    assert inputs.outputs == 2 and inputs.trained == [0, 1, 4, 7]
    batch = held.batches.batch(0)
    assert torch.equal(batch.targets, torch.tensor(LABELS)[batch.positions])
    assert held.head is None and held.has_validation


def test_pseudo_labelled_examples_are_learnt_from_but_judge_no_baseline() -> None:
    inputs = Inputs()
    taught = PseudoLabelledExamples(source="more", start=4, copies=(1, 1, 1, 1, 3, 1, 1, 2))
    held = job(inputs, taught=taught)
    assert inputs.trained == [0, 1, 4, 4, 4, 7, 7]
    found = held.test(FLOAT32)
    majority = found.baseline["majority"]["accuracy"]
    # Positions 0 and 1 alone are labelled, one of each: the first class; both test examples are of the other.
    assert isinstance(majority, Mapping) and majority["value"] == 0.0


def test_validation_and_test_are_judged_apart() -> None:
    held = job(Inputs())
    score = held.validate(FLOAT32)
    assert (score.metric, score.value, score.n) == ("accuracy", 1.0, 2)
    # −3 is called low, 6 high: probabilities 1 / (1 + e^−3) and 1 / (1 + e^−6).
    odds = torch.tensor([-3.0, -6.0], dtype=torch.float64).exp()
    assert score.loss == pytest.approx(float((1 + odds).log().mean()), abs=1e-5)
    found = held.test(FLOAT32)
    accuracy = found.metrics["accuracy"]
    assert found.n == 2 and isinstance(accuracy, Mapping) and accuracy["value"] == 0.5
    assert [row[:3] for row in found.rows[1:]] == [["n3", "high", "high"], ["n6", "high", "low"]]
    assert set(found.baseline) == {"majority", "logistic_regression", "gradient_boosting"}  # the row of a table


def test_many_examples_are_answered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVALUATION_BATCH", 1)
    inputs = Inputs()
    held = job(inputs)
    inputs.parts.clear()
    assert held.validate(FLOAT32).value == 1.0 and inputs.parts == [1, 1]


def test_files_and_card() -> None:
    held = job(Inputs())
    assert held.bundle_files() == {
        "preparation.json": {"kind": "numbers"}, "answers.json": {"kind": "class", "temperature": 1.0},
    }  # fmt: skip
    assert held.network_card().settings == {"num_classes": 2}
