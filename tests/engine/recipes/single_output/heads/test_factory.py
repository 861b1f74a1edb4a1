"""Each task has its head, in training as from a bundle."""

import pytest
import torch

from capas.core.errors import CapasError
from capas.core.spec import TaskName
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.heads.factory import output_head_for, restore_output_head
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.engine.recipes.single_output.heads.tags_head import TagsHead
from tests.engine.recipes.made_work import spec_of

CLASSES = ("a", "b")


@pytest.mark.parametrize(
    ("task", "head", "outputs"), [("classify", ClassHead, 2), ("tag", TagsHead, 2), ("regress", NumbersHead, 3)]
)
def test_tasks_have_their_heads(task: TaskName, head: type[object], outputs: int) -> None:
    spec = spec_of(task, "image", classes=() if task == "regress" else CLASSES, units=("kg", "m", ""))
    made = output_head_for(spec)
    assert isinstance(made, head) and made.num_outputs == outputs


def test_heads_come_back_from_their_json() -> None:
    outputs = torch.tensor([[0.3, -1.2]])
    tags = TagsHead(CLASSES, [0.25, 0.75], 2.0)
    again = restore_output_head(spec_of("tag", "text", classes=CLASSES), tags.as_json())
    assert isinstance(again, TagsHead) and again.thresholds.tolist() == [0.25, 0.75]
    assert torch.equal(again.activate(outputs), tags.activate(outputs))
    one = ClassHead(CLASSES, 0.5)
    assert torch.equal(
        restore_output_head(spec_of("classify", "text", classes=CLASSES), one.as_json()).activate(outputs),
        one.activate(outputs),
    )
    spec = spec_of("regress", "number", target="number", units=("kg", "m"))
    numbers = NumbersHead(spec.targets)
    numbers.fit(torch.tensor([[1.0, 20.0], [3.0, 60.0]], dtype=torch.float64))
    numbers.calibrate(torch.arange(40.0).double().view(20, 2), torch.zeros(20, 2).double())
    back = restore_output_head(spec, numbers.as_json())
    assert isinstance(back, NumbersHead) and back.scales == numbers.scales and back.conformal == numbers.conformal


def test_a_bundle_of_before_has_no_temperature() -> None:
    found = restore_output_head(spec_of("classify", "text", classes=CLASSES), {})
    assert isinstance(found, ClassHead) and found.temperature == 1.0
    tags = restore_output_head(spec_of("tag", "text", classes=CLASSES), {"thresholds": [0.5, 0.5]})
    assert isinstance(tags, TagsHead) and tags.temperature == 1.0


@pytest.mark.parametrize(
    ("task", "tree"),
    [
        ("classify", {"temperature": 0}),
        ("tag", {}),
        ("tag", {"thresholds": ["high", 0.5]}),
        ("regress", {"scales": [{"mean": 0.0, "deviation": 1.0}]}),
        ("regress", {"scales": [{"mean": 0.0}], "conformal": []}),
    ],
)
def test_a_broken_bundle_is_refused(task: TaskName, tree: dict[str, object]) -> None:
    with pytest.raises(CapasError) as error:
        restore_output_head(spec_of(task, "text", classes=CLASSES), tree)
    assert (error.value.key, error.value.where) == ("bundle_incomplete", "answers.json")
