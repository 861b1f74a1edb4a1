"""The audit of pictures with columns: held cells, what each side tells, parts and measures, attacks with cells held."""

from dataclasses import replace

import pytest
import torch

from capas.data.collections import FilesWithColumns
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.columns_beside.predictor import PreparedWithColumns
from capas.trust.columns_beside import attacks
from capas.trust.columns_beside.held_columns import forward_with_held_columns, unit_range_contents
from capas.trust.columns_beside.inputs import ColumnsBesideAdapter, picture_features
from capas.trust.columns_beside.sides import SideMetrics, side_blocks, side_findings, side_metrics
from capas.trust.subjects.factory import input_adapter
from capas.trust.themes.attacks import attacks_theme
from capas.trust.themes.groups import grouping_columns
from capas.trust.themes.stickers import stickers_theme
from tests.trust.columns_beside.made import reader_of, subject_of
from tests.trust.made_models import asked, halves_subject

N = 40
SHOWN, OLD = [i % 2 for i in range(N)], [i // 2 % 2 for i in range(N)]
AGES = [40.0 + 20 * old + 0.1 * i for i, old in enumerate(OLD)]
SPLITS = ["test"] * N


def test_held_columns_answer_as_the_whole_model_does() -> None:
    subject = subject_of(SHOWN, SHOWN, AGES, SPLITS)  # type: ignore[arg-type]
    prepared = subject.test.prepared
    reader = subject.reader
    forward = forward_with_held_columns(reader, prepared)  # type: ignore[arg-type]
    contents = unit_range_contents(reader, prepared)  # type: ignore[arg-type]
    torch.testing.assert_close(forward(contents), subject.test.outputs)
    with pytest.raises(ValueError, match="39 contents for 40 rows"):
        forward(contents[1:])
    one = forward_with_held_columns(reader, prepared[3:4])  # type: ignore[arg-type]
    torch.testing.assert_close(one(contents[3:4].expand(5, -1, -1, -1)), subject.test.outputs[3:4].expand(5, -1))


def test_the_column_alone_decides_where_the_model_goes_by_it_alone() -> None:
    subject = subject_of(OLD, SHOWN, AGES, SPLITS, picture=0.0)  # type: ignore[arg-type]
    sides = side_metrics(subject)
    assert sides is not None and (sides.name, sides.n) == ("accuracy", N)
    assert (sides.both["value"], sides.columns_alone["value"]) == (1.0, 1.0) and sides.content_alone["value"] == 0.5
    (finding,) = side_findings(asked(subject), sides)
    assert finding.key == "columns_decide" and "100.0 %" in finding.text
    (block,) = side_blocks(sides)
    assert [bar.value for bar in block.bars] == [1.0, 0.5, 1.0]  # type: ignore[union-attr]


def test_the_picture_alone_decides_where_the_model_goes_by_it_alone() -> None:
    subject = subject_of(SHOWN, SHOWN, AGES, SPLITS, column=0.0)  # type: ignore[arg-type]
    sides = side_metrics(subject)
    assert sides is not None and sides.both["value"] == sides.content_alone["value"] == 1.0
    alone = sides.columns_alone["value"]
    assert isinstance(alone, float) and 0.2 < alone < 0.8 and not side_findings(asked(subject), sides)
    assert side_metrics(halves_subject(SHOWN, SPLITS)) is None  # type: ignore[arg-type]


def test_of_errors_less_is_better_and_few_examples_say_nothing() -> None:
    metric = {"value": 2.0, "n": 40, "interval": [1.5, 2.5]}
    sides = SideMetrics(name="mae", n=40, both=metric, content_alone={"value": 4.0}, columns_alone={"value": 2.2})
    assert sides.columns_decide and not replace(sides, columns_alone={"value": 2.6}).columns_decide
    assert not replace(sides, content_alone={"value": 2.1}).columns_decide
    context = asked(subject_of(OLD, SHOWN, AGES, SPLITS))  # type: ignore[arg-type]
    assert len(side_findings(context, sides)) == 1 and not side_findings(context, replace(sides, n=20))


def test_parts_of_the_picture_and_columns_are_left_out_one_by_one() -> None:
    subject = subject_of(SHOWN, SHOWN, AGES, SPLITS)  # type: ignore[arg-type]
    features = subject.adapter.example_ablation_features(subject.inputs, 2)
    assert features is not None and len(features.names) == 10 and features.names[-1] == "age"
    whole = features.keep(torch.ones(10, dtype=torch.bool))
    prepared = subject.test.prepared[2]
    assert isinstance(whole, PreparedWithColumns) and isinstance(prepared, PreparedWithColumns)
    assert torch.equal(whole.content, prepared.content)  # type: ignore[arg-type]
    torch.testing.assert_close(whole.row.numbers, prepared.row.numbers)
    typical = features.keep(torch.tensor([True] * 9 + [False]))
    assert isinstance(typical, PreparedWithColumns) and typical.row.numbers.tolist() == [[0.0]]
    alone = subject.reader.preprocess(Item(name="", content=half(0)))
    lone = subject.adapter.item_ablation_features(Item(name="", content=half(0)), alone)
    assert lone is not None and len(lone.names) == 9


def half(side: int):  # type: ignore[no-untyped-def]
    return subject_of([side], [side], [50.0], ["test"]).inputs.files.arrays[0]  # type: ignore[attr-defined]


def test_a_part_left_out_shows_the_mean_colour() -> None:
    picture = torch.arange(36, dtype=torch.uint8).view(1, 6, 6)
    features = picture_features(picture)
    mask = torch.ones(9, dtype=torch.bool)
    mask[1] = False  # the middle of the top
    shown = features.keep(mask)
    assert isinstance(shown, torch.Tensor)
    expected = picture.clone()
    expected[:, :2, 2:4] = 18
    assert torch.equal(shown, expected)


def test_measures_are_those_of_both_sides_and_a_row_not_given_counts_as_usual() -> None:
    subject = subject_of(SHOWN, SHOWN, AGES, SPLITS)  # type: ignore[arg-type]
    adapter = subject.adapter
    assert isinstance(adapter, ColumnsBesideAdapter) and adapter.images is None
    measured = subject.measured_inputs(subject.test)
    found = adapter.measures(measured, {})
    assert found["column age"].tolist() == pytest.approx(AGES, rel=1e-5) and len(found) > 1
    assert adapter.measure_label("column age") == input_adapter(reader_of(1, 1)).measure_label("column age")
    item = Item(name="", content=half(0))
    alone = adapter.measured_input(item, subject.reader.preprocess(item))
    assert adapter.measures([alone], {})["column age"].tolist() == [50.0]
    rng = torch.Generator().manual_seed(0)
    probes = adapter.ood_probes(subject.test.prepared, rng)
    far, noise = probes["far_off"][0], probes["noise"][0]
    first = subject.test.prepared[0]
    assert isinstance(far, PreparedWithColumns) and isinstance(noise, PreparedWithColumns)
    assert isinstance(first, PreparedWithColumns) and far.content is first.content and noise.row is first.row
    assert float(far.row.numbers - first.row.numbers) == pytest.approx(5.0)


def test_features_hold_both_sides_and_columns_go_on_telling_groups() -> None:
    subject = subject_of(SHOWN, SHOWN, [1.0 + old for old in OLD], SPLITS)  # type: ignore[arg-type]
    assert subject.adapter.linear_features(subject.test.prepared, 2).shape == (N, 144 + 2)
    assert subject.adapter.neighbour_features(subject.inputs, [0, 1], "age").shape == (2, 144 + 2)
    assert isinstance(subject.inputs, FilesWithColumns)
    assert set(subject.adapter.columns_of(subject.inputs)) == {"age"}
    object.__setattr__(subject.run_context.source, "columns", subject.inputs.rows.columns)
    assert list(grouping_columns(subject.run_context, range(N))) == ["age"]


def test_attacks_change_the_picture_and_leave_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacks, "EPSILONS", (0.01, 0.02, 0.4))  # the halves differ by 0.47
    strong = subject_of(SHOWN, SHOWN, AGES, SPLITS, picture=1.0, column=0.0)  # type: ignore[arg-type]
    held = subject_of(OLD, SHOWN, AGES, SPLITS, picture=0.001, column=5.0)  # type: ignore[arg-type]
    for subject, withstands in ((strong, False), (held, True)):
        theme = attacks_theme(asked(subject))
        right = theme.facts["right_after"]
        assert isinstance(right, dict) and theme.facts["kind"] == "columns_held"
        assert (right["chosen"][-1]["value"] > 0.9) == withstands and right["noise"][0]["value"] == 1.0
    assert attacks_theme(asked(strong, "quick")).not_computed_because is not None
    assert "columns beside" in str(stickers_theme(asked(strong)).not_computed_because)
