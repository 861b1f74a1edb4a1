"""Rows of a run: encoded, cross-fitted, blended with trees and a linear model."""

from collections.abc import Mapping

import pytest
import torch

from capas.core.spec import TaskName
from capas.data.tabular.preprocess import TabularPreprocessing
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.single_output.inputs import BlendedInputs, CrossFittedInputs, PreparedInputs
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE
from capas.engine.recipes.single_output.tabular import data as module
from capas.engine.recipes.single_output.tabular.data import MIN_FITTED, PreparedTabularInputs, folds_of
from capas.engine.recipes.single_output.tabular.network import blend_of, restored_tabular_network
from tests.engine.recipes.made_work import FLOAT32, rows_of

N = 200
ROWS = rows_of({"x": [1.37 * i for i in range(N)], "c": ["u", "v"] * (N // 2)})
NUMBERS = torch.tensor([[3.0 * i + 10 * (i % 2)] for i in range(N)], dtype=torch.float64)
TRAIN, HELD = torch.arange(0, N, 2), torch.arange(1, N, 2)


def prepared(task: TaskName = "regress", name: str = "tabular-blend") -> PreparedTabularInputs:
    settings: Mapping[str, object] = {"network.name": name, "network.width": 4, "train.batch_size": 8}
    preparation = TabularPreprocessing.fit(ROWS.columns)
    encoded = preparation.encode_columns(ROWS.columns, N)
    names = [ROWS.name(i) for i in range(N)]
    return PreparedTabularInputs(
        Config().merged(settings), task, names, encoded, preparation,
        splits={"train": TRAIN, "validation": HELD}, folds=torch.arange(N) // 2 % 5,
    )  # fmt: skip


def test_the_protocols_are_met() -> None:
    held = prepared()
    assert isinstance(held, PreparedInputs) and isinstance(held, CrossFittedInputs) and isinstance(held, BlendedInputs)
    assert held.baseline is DENSE_BASELINE and held.head is None


def test_rows_are_taken_by_position_with_their_targets() -> None:
    held = prepared()
    held.network(1)
    batch = held.training(NUMBERS, TRAIN, Ranks()).batch(0)
    assert len(batch.positions) == 8 and bool((batch.positions % 2 == 0).all())
    assert torch.equal(batch.targets, NUMBERS[batch.positions])
    deviation = torch.arange(float(N)).std(correction=0)
    torch.testing.assert_close(batch.inputs.numbers[:, 0], (batch.positions - 99.5) / deviation)
    assert torch.equal(batch.inputs.categories[:, 0], 1 + batch.positions % 2)


def test_a_line_is_left_to_the_linear_model() -> None:
    held = prepared()
    network = held.network(1)
    held.fit_parts(NUMBERS, FLOAT32)
    blend = blend_of(network)
    shares = dict(zip(blend.config.parts, blend.shares.tolist(), strict=True))
    # A fresh network knows nothing; trees know steps; the ridge regression knows all of it.
    assert shares["linear"] > 0.6 and sum(shares.values()) == pytest.approx(1)
    mean, deviation = NUMBERS[TRAIN].mean(), NUMBERS[TRAIN].std(correction=0)
    with torch.no_grad():
        found = network.eval()(held.take(HELD)).double() * deviation + mean
    assert float((found - NUMBERS[HELD]).abs().mean()) < 0.1 * float((NUMBERS[HELD] - mean).abs().mean())


def test_steps_are_left_to_trees_and_come_back_from_the_card() -> None:
    held = prepared("classify")
    network = held.network(2)
    labels = torch.arange(N) // 25 % 2
    held.fit_parts(labels, FLOAT32)
    blend = blend_of(network)
    shares = dict(zip(blend.config.parts, blend.shares.tolist(), strict=True))
    assert shares.get("forest", 0) + shares.get("boosting", 0) > 0.6
    with torch.no_grad():
        found = network.eval()(held.take(HELD))
    assert float((found.argmax(1) == labels[HELD]).float().mean()) > 0.9
    card = held.network_card(network, 2)
    assert card.name == "tabular-blend" and card.settings["share.network"] == pytest.approx(shares["network"], abs=1e-4)
    again = restored_tabular_network(card, held.preparation)
    again.load_state_dict(network.state_dict())
    assert isinstance(again, DataclassInputAdapter)
    with torch.no_grad():
        assert torch.equal(again.eval()(held.take(HELD)), found)


def test_predictions_that_decide_are_of_rows_not_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that are pure chance: a forest that had seen them would be nearly always right, and get all."""
    asked = {}
    monkeypatch.setattr(
        module, "fit_blend_shares", lambda predictions, *rest: asked.update(predictions) or {"network": 1.0}
    )
    held = prepared("classify")
    held.network(2)
    labels = torch.randint(2, (N,), generator=torch.Generator().manual_seed(3))
    held.fit_parts(labels, FLOAT32)
    for name in ("boosting", "forest", "linear"):
        right = float((asked[name].argmax(1) == labels[TRAIN]).float().mean())
        assert 0.3 < right < 0.7, name


def test_each_row_is_answered_by_the_member_that_has_not_learnt_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    held = prepared("classify")
    held.network(2)

    def outputs(inputs: object) -> torch.Tensor:
        n = len(inputs.numbers)  # type: ignore[attr-defined]
        return torch.arange(5.0).expand(n, 5)[:, :, None] * torch.tensor([1.0, 0.0])

    monkeypatch.setattr(held, "member_outputs", outputs)
    found = held._network_predictions(TRAIN, FLOAT32, own_fold=True)
    expected = torch.stack([held.folds[TRAIN].float(), torch.zeros(len(TRAIN))], 1).softmax(1)
    torch.testing.assert_close(found, expected)


def test_the_network_alone_where_it_was_asked_for_or_nothing_varies() -> None:
    for held, targets in ((prepared(name="tabular-mlp"), NUMBERS), (prepared(), torch.ones(N, 1, dtype=torch.float64))):
        network = held.network(1)
        held.fit_parts(targets, FLOAT32)
        assert blend_of(network).config.parts == ("network",)
        assert held.network_card(network, 1).settings["share.network"] == 1.0


def test_equal_rows_share_a_fold() -> None:
    hashes = ["00ab12cd99", "00ab12cd99", "ffffffff00"] + [f"{i * 7919:08x}00" for i in range(60)]
    found = folds_of(hashes, range(63), 5)
    assert found[0] == found[1] and found.tolist()[:3] == [0x00AB12CD % 5, 0x00AB12CD % 5, 0xFFFFFFFF % 5]


def test_few_rows_are_counted_off_to_the_folds() -> None:
    """Five of the same remainder would all be left out by one member, which would learn from nothing."""
    hashes = [f"{5 * i:08x}" for i in range(10)] + [f"{0:08x}"]
    found = folds_of(hashes, range(10), 5)
    assert sorted(found.tolist()[:10]) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4] and found[0] == found[10]


def test_too_few_rows_to_cross_fit_leave_the_network_alone() -> None:
    held = prepared()
    network = held.network(1)
    held.splits = {**held.splits, "train": held.splits["train"][:MIN_FITTED]}
    held.fit_parts(NUMBERS, FLOAT32)
    assert blend_of(network).config.parts == ("network",)
