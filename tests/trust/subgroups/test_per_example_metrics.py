"""The figures of single examples, read back from the test's table: together they give the figure of the test."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.trust.subgroups.per_example_metrics import PerExampleMetric, per_example_metric
from capas.trust.subjects.run_context import RunContext
from tests.trust.made_models import made_context, texts_of

NAMES = ("t.csv:0", "t.csv:1", "t.csv:2", "t.csv:3")  # the last two are the test


def run(folder: Path, rows: Sequence[Mapping[str, str]], headline: str = "accuracy") -> RunContext:
    with (folder / "predictions.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]) if rows else ["example"])
        table.writeheader()
        table.writerows(rows)
    metrics = {"metrics": {headline: {"value": 0.5, "n": 2, "interval": [0.0, 1.0]}}, "baseline": {}}
    return made_context(texts_of(["a", "b", "c", "d"]), [None] * 4, ["train", "train", "test", "test"],
                        task="label", kind="tokens", metrics=metrics, folder=folder)  # fmt: skip


def figures(found: PerExampleMetric | None) -> tuple[str, tuple[int, ...], list[float], list[float]]:
    assert found is not None
    return found.name, found.positions, found.numerator.tolist(), found.denominator.tolist()


def test_entities_count_twice_where_given_and_predicted_agree(tmp_path: Path) -> None:
    rows = [
        {"example": NAMES[3], "labels": "B-PER I-PER O B-LOC", "predicted": "B-PER I-PER O B-PER"},
        {"example": NAMES[2], "labels": "O O", "predicted": "B-LOC O"},
    ]
    assert figures(per_example_metric(run(tmp_path, rows, "entity_f1"))) == ("entity_f1", (3, 2), [2, 0], [4, 1])
    # Without a figure of entities the same table is read word by word.
    assert figures(per_example_metric(run(tmp_path, rows, "token_accuracy"))) == (
        "token_accuracy", (3, 2), [3, 1], [4, 2])  # fmt: skip


def test_errors_of_characters_are_counted_by_the_length_of_the_text(tmp_path: Path) -> None:
    rows = [{"example": NAMES[2], "text": "cuatro", "errors": "2"}, {"example": NAMES[3], "text": "", "errors": "1"}]
    found = per_example_metric(run(tmp_path, rows, "cer"))
    assert figures(found) == ("cer", (2, 3), [2, 1], [6, 0])
    assert found is not None and found.sign == -1 and found.unit is None


@pytest.mark.parametrize(
    ("column", "sign", "unit"), [("mean_iou", 1, None), ("frame_error", -1, None), ("psnr", 1, "dB")]
)
def test_a_figure_of_each_example_counts_once_and_an_empty_cell_not(
    column: str, sign: int, unit: str | None, tmp_path: Path
) -> None:
    rows = [{"example": NAMES[2], column: ""}, {"example": NAMES[3], column: "0.75"}]
    found = per_example_metric(run(tmp_path, rows))
    assert figures(found) == (column, (3,), [0.75], [1])
    assert found is not None and (found.sign, found.unit) == (sign, unit)
    assert per_example_metric(run(tmp_path, [{"example": NAMES[2], column: ""}])) is None


def test_only_rows_of_test_examples_count(tmp_path: Path) -> None:
    rows = [{"example": name, "mean_iou": "1"} for name in (NAMES[0], NAMES[2], "elsewhere", "")]
    assert figures(per_example_metric(run(tmp_path, rows)))[1] == (2,)


def test_a_table_without_figures_has_none_and_a_lost_one_is_damage(tmp_path: Path) -> None:
    assert per_example_metric(run(tmp_path, [{"example": NAMES[2], "class": "a", "prediction": "b"}])) is None
    context = run(tmp_path, [])
    assert per_example_metric(context) is None
    (tmp_path / "predictions.csv").unlink()
    with pytest.raises(CapasError) as error:
        per_example_metric(context)
    assert error.value.key == "run_damaged"
