"""A model with one output per example: a reader and a head."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pytest
import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.core.spec import Spec
from capas.data.collections import ExampleCollection, TextCollection
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.engine.recipes.single_output.heads.tags_head import TagsHead
from capas.engine.recipes.single_output.inputs import InputReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor, relabel_to_model
from capas.objectives.regression import TargetScale
from tests.engine.recipes.made_work import report_of, spec_of, texts_of


class Doubled(nn.Module):
    """Outputs x and −x, or x alone."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.signs = nn.Parameter(torch.tensor([1.0, -1.0][:outputs]))

    def forward(self, numbers: Tensor) -> Tensor:
        return numbers[:, None] * self.signs


class Reader:
    """``InputReader`` of numbers written as words."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return (Item(name=word, content=word) for word in words)

    def item(self, content: object, number: int) -> Item:
        return Item(name=f"#{number}", content=content)

    def preprocess(self, item: Item) -> float:
        return float(str(item.content))

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> float:
        assert isinstance(inputs, TextCollection)
        return float(inputs.texts[index])

    def collate(self, prepared: Sequence[object]) -> Tensor:
        return torch.tensor([float(str(one)) for one in prepared])

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        return Exportable(network=self.network, inputs=[], output="outputs", axes=("batch",),
                          compared=[(self.collate(prepared),)], count=len(prepared), facts={"made": True})  # fmt: skip


def model(head: OutputHead, spec: Spec) -> SingleOutputPredictor[Tensor]:
    reader = Reader(Doubled(head.num_outputs).eval())
    assert isinstance(reader, InputReader)
    return SingleOutputPredictor(reader, head, spec)


CLASSES = spec_of("classify", "number", classes=("plus", "minus"))
TAGS = spec_of("tag", "number", classes=("plus", "minus"))
NUMBERS = spec_of("regress", "number", units=("kg",))


def test_items_are_read_and_answered_in_order() -> None:
    held = model(ClassHead(CLASSES.classes), CLASSES)
    items = [*held.items(["2", "-3"], []), held.item("1", 7)]
    answers = held.predict([item.name for item in items], [held.preprocess(item) for item in items])
    assert [(one.input, one.prediction) for one in answers] == [("2", "plus"), ("-3", "minus"), ("#7", "plus")]
    # Logits 2 and −2.
    assert answers[0].probability == pytest.approx(1 / (1 + torch.tensor(-4.0).exp().item()), abs=1e-6)


def test_labels_are_renumbered_by_name() -> None:
    known = {"a": 0, "b": 1, "c": 2}
    assert relabel_to_model(0, ("c", "a"), known) == 2
    assert relabel_to_model((1, 0), ("c", "a"), known) == (0, 2) and relabel_to_model((), ("c",), known) == ()
    assert relabel_to_model((1.5, 2.5), (), known) == (1.5, 2.5) and relabel_to_model(None, ("c",), known) is None


def test_other_data_is_tested_by_the_names_of_its_classes() -> None:
    rows = texts_of([str(i % 2 - 0.5) for i in range(70)])
    spec = spec_of("classify", "number", classes=("minus", "plus"))
    report = report_of(rows, spec, ["test"] * 70, labels=[i % 2 for i in range(70)])
    found = model(ClassHead(CLASSES.classes), CLASSES).evaluate(report, list(range(1, 70)))
    accuracy = found.metrics["accuracy"]
    assert found.n == 69 and isinstance(accuracy, Mapping) and accuracy["value"] == 1.0 and not found.baseline
    assert [row[0] for row in found.rows[1:]] == [f"t:{i}" for i in range(1, 70)]


@pytest.mark.parametrize(
    ("head", "spec", "output", "expected"),
    [
        # At temperature 2 the logits of x = 2 are 1 and −1.
        (ClassHead(CLASSES.classes, 2.0), CLASSES, "probabilities", [0.880797, 0.119203]),
        (TagsHead(TAGS.classes, temperature=2.0), TAGS, "probabilities", [0.731059, 0.268941]),
        (NumbersHead(NUMBERS.targets, [TargetScale(mean=100.0, deviation=10.0)]), NUMBERS, "values", [120.0]),
    ],
)
def test_an_export_answers_in_probabilities_or_units(
    head: OutputHead, spec: Spec, output: str, expected: list[float]
) -> None:
    held = model(head, spec)
    found = held.exportable([held.preprocess(Item(name="", content="2"))])
    assert (
        found.output == output and found.axes == ("batch", len(expected)) and found.facts["answers"] == head.as_json()
    )
    with torch.no_grad():
        answer = found.network(*found.compared[0])
    assert answer.tolist() == [pytest.approx(expected, abs=1e-5)]
    if output == "values":
        assert found.scale == 10.0 and found.facts["values"] == [{"name": "target", "unit": "kg"}]
    else:
        assert found.facts["classes"] == ["plus", "minus"] and found.scale == 1.0
