"""What the gate lets pass, refuses or marks, by scores that are known."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from capas.engine.recipe import Item, Prediction
from capas.trust.ood.detector import OODDetector
from capas.trust.ood.input_ranges import RangeViolation
from capas.trust.ood.selective_prediction import HEATMAP_SUFFIX, OutOfRange, SelectivePredictionGate
from capas.trust.ood.threshold import FisherCombination

FAR_OUT = OutOfRange(
    violation=RangeViolation(measure="age", value=5000.0, low=18.0, high=95.0, surprise=100.0), text="age = 5,000"
)


class Scored:
    """An input is its own score; some have a picture."""

    def __init__(self, *, pictures: bool = False, limit: float | None = None) -> None:
        self.pictures = pictures
        self.limit = limit

    def scores(self, items: Sequence[Item], prepared: Sequence[object]) -> dict[str, Tensor]:
        return {"a": torch.tensor(prepared)}

    def out_of_range(self, items: Sequence[Item], prepared: Sequence[object]) -> Sequence[OutOfRange | None]:
        found = (self.limit is not None and value > self.limit for value in prepared)  # type: ignore[operator]
        return [FAR_OUT if one else None for one in found]

    def heatmap_of(self, item: Item, prepared: object) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        return (np.zeros((3, 5), np.uint8), np.ones((3, 5), np.float32)) if self.pictures else None

    def display(self, prepared: object) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
        return None, None


def gate(scorer: Scored, *, answer_all: bool = False) -> SelectivePredictionGate:
    """Calibrated by 0 … 99, so that a twentieth of them lies above the threshold."""
    combination = FisherCombination.fit({"a": torch.arange(100.0)}, target_fpr=0.05)
    detector = OODDetector(knn=None, knn_multilayer=None, autoencoder=None, combination=combination,
                           uses_energy=False, target_fpr=0.05, weights_hash="")  # fmt: skip
    return SelectivePredictionGate(detector, scorer, answer_all=answer_all)


def told(asked: SelectivePredictionGate, values: Sequence[float]) -> list[Prediction]:
    items = [Item(name=f"{value:g}", content=value) for value in values]
    answers = [Prediction(input=item.name, prediction="cat", probability=0.9, facts={"own": 1}) for item in items]
    return asked(items, values, answers)


def test_usual_inputs_keep_their_answer_and_get_their_place() -> None:
    (found,) = told(gate(Scored()), [49.5])
    assert found.prediction == "cat" and found.probability == 0.9 and found.refused is None
    assert found.facts == {"own": 1, "more_unusual_than": 0.5, "unlike_training_data": False}


def test_unusual_inputs_lose_it_and_are_told_why() -> None:
    usual, strange = told(gate(Scored(pictures=True)), [10.0, 500.0])
    assert usual.refused is None and usual.files == {}
    assert (strange.input, strange.prediction, strange.probability) == ("500", None, None)
    # No more is said than the calibration examples bear.
    assert strange.refused is not None and "99.9 %" in strange.refused
    assert strange.facts == {"more_unusual_than": 1.0, "unlike_training_data": True}
    with Image.open(io.BytesIO(strange.files[HEATMAP_SUFFIX])) as shown:
        assert shown.size == (5, 3)
    (without,) = told(gate(Scored()), [500.0])
    assert without.files == {}


def test_what_lies_far_outside_the_range_is_the_reason() -> None:
    unusual, far = told(gate(Scored(limit=200.0)), [150.0, 500.0])
    assert unusual.refused is not None and "99.9 %" in unusual.refused and "age" not in unusual.refused
    assert far.refused is not None and "age = 5,000" in far.refused and "%" not in far.refused
    assert "outside_training_range" not in unusual.facts
    assert far.facts["outside_training_range"] == {"measure": "age", "value": 5000.0, "low": 18.0, "high": 95.0,
                                                   "what": "age = 5,000"}  # fmt: skip
    (marked,) = told(gate(Scored(limit=200.0), answer_all=True), [500.0])
    assert marked.prediction == "cat" and "outside_training_range" in marked.facts


def test_with_answer_all_they_are_only_marked() -> None:
    (found,) = told(gate(Scored(pictures=True), answer_all=True), [500.0])
    assert found.prediction == "cat" and found.refused is None and found.files == {}
    assert found.facts == {"own": 1, "more_unusual_than": 1.0, "unlike_training_data": True}


@pytest.mark.parametrize("answer_all", [False, True])
def test_each_input_is_judged_by_itself(answer_all: bool) -> None:
    values = [3.0, 97.0, 98.5, 1e6, -4.0]
    together = told(gate(Scored(), answer_all=answer_all), values)
    assert together == [told(gate(Scored(), answer_all=answer_all), [value])[0] for value in values]
    assert [one.facts["unlike_training_data"] for one in together] == [False, True, True, True, False]
