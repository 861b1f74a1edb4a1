"""Attacks on a class for every pixel, and whether they can be believed: by hand, masked gradients, and the verb."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from capas.data.image.masks import IGNORE_INDEX
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Item
from capas.engine.recipes.segmentation.predictor import SegmentationPredictor
from capas.trust.attacks.sanity_checks import SanityCheckFailure, invalidating_failures, run_sanity_checks
from capas.trust.attacks.segmentation_losses import PER_PIXEL_TASK, pixel_accuracy, pixel_margin
from capas.trust.attacks.single_input import make_attacker
from capas.trust.subjects.image_inputs import images_to_unit_range
from capas.trust.subjects.segmentation import UnitRangeSegmentationModel
from tests.engine.recipes import test_segmentation
from tests.harness import capas_here, train_here


def test_the_margin_counts_the_pixels_that_are_still_right() -> None:
    logits = torch.tensor([[[[2.0, 0.0, 1.0, 9.0]], [[0.5, 3.0, 1.5, 0.0]]]])  # 2 classes in 4 pixels
    y = torch.tensor([[[0, 0, 1, IGNORE_INDEX]]])
    # Right by 1.5, wrong by 3, right by 0.5, unknown.
    assert pixel_margin(logits, y).tolist() == pytest.approx([-(1.5 + 0.5) / 3])
    assert pixel_accuracy(logits, y).tolist() == pytest.approx([2 / 3])
    assert pixel_margin(logits, torch.full_like(y, IGNORE_INDEX)).tolist() == [0]


@pytest.fixture(scope="module")
def masks_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    data = test_segmentation.write_scenes(folder / "data", 120)
    return train_here(data, folder / "run", {**test_segmentation.SETTINGS, "train.epochs": 6})


@pytest.fixture(scope="module")
def model(masks_run: Path) -> Model:
    return load_model(masks_run)


def checked(
    model: Model, around: Callable[[nn.Module], nn.Module] = lambda network: network
) -> tuple[SanityCheckFailure, ...]:
    answering = model.predictor
    assert isinstance(answering, SegmentationPredictor)
    forward = UnitRangeSegmentationModel(answering)
    x = images_to_unit_range(
        [
            answering.preprocess(Item(name="", content=np.asarray(test_segmentation.scene(500 + i)[0]))).prepared
            for i in range(4)
        ]
    )
    y = forward(x).argmax(1)
    forward.network = around(forward.network)
    rng = torch.Generator().manual_seed(0)
    return run_sanity_checks(
        forward.eval(), x, y, 8 / 255, rng, task_spec=PER_PIXEL_TASK, steps=20, queries=30
    ).failures


class Coarse(nn.Module):
    """Inputs in steps, through which no gradient passes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        steps = (8 * x).round() / 8
        result: Tensor = self.network(steps + 0 * x)
        return result


class Sure(nn.Module):
    """Logits so large that the softmax is one and its gradient nothing."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = 1e5 * self.network(x)
        return result


class Noisy(Coarse):
    """Another answer each time."""

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.network(x + 0.1 * torch.randn_like(x))
        return result


def test_an_honest_network_passes_and_masked_gradients_do_not(model: Model) -> None:
    assert checked(model) == ()
    coarse = checked(model, Coarse)
    assert SanityCheckFailure.VANISHING in coarse and SanityCheckFailure.NOT_REACHING_ZERO in coarse
    assert checked(model, Noisy) == (SanityCheckFailure.NOT_REPEATABLE,)


def test_a_sure_softmax_is_attacked_by_the_margin(model: Model) -> None:
    found = checked(model, Sure)
    assert SanityCheckFailure.VANISHING not in found and SanityCheckFailure.NOT_REACHING_ZERO not in found


def test_a_network_that_never_changes_its_answer_is_not_called_robust(model: Model) -> None:
    class Constant(Coarse):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.network(x)
            return result * 1e-3 + torch.tensor([50.0, 0, 0]).view(1, 3, 1, 1)

    assert SanityCheckFailure.NOT_REACHING_ZERO in checked(model, Constant)


def test_capas_attack_changes_pixels_and_says_what_came_of_it(
    masks_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    test_segmentation.scene(700)[0].save("scene.png")
    said = capas_here(capsys, "attack", masks_run, "scene.png", "--size", "0.1", "-o", "out", "--json")
    assert said.code == 0, said.err
    (found,) = json.loads(said.out)
    assert found["largest_change"] <= 0.1 + 1e-6 and found["self_check"] == []
    assert found["changed_answer"] > found["changed_answer_by_noise"] and found["fooled"] is True
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"scene.attacked.png", "scene.change.png", "scene.answer.png", "scene.attack.json"}
    shown = capas_here(capsys, "attack", masks_run, "scene.png", "--size", "0.002").out
    assert "not fooled" in shown and "of the pixels" in shown and "passed their self-checks" in shown


def test_pixels_can_be_pushed_to_a_class(model: Model) -> None:
    item = Item(name="scene", content=np.asarray(test_segmentation.scene(701)[0]))
    red = make_attacker(model, eps=0.3, target="red")(item)
    assert red.share is not None and red.share > 0.5 and red.fooled
    assert red.after.facts["shares"]["red"] > 0.5 > red.before.facts["shares"]["red"]  # type: ignore[index]


def test_failures_are_told_apart(model: Model) -> None:
    check = run_sanity_checks(lambda x: x, torch.full((1, 1, 2, 2), 2.0), torch.zeros(1, 2, 2, dtype=torch.long), 0.1,
                       torch.Generator(), task_spec=PER_PIXEL_TASK)  # fmt: skip
    assert invalidating_failures(check) == (SanityCheckFailure.OUTSIDE_RANGE,)
