"""What is to be learned, and why."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.data.inspect.task_detection import TaskDetection, detect_task
from capas.data.sources.source import open_source
from capas.data.tabular.column_types import ColumnKind, describe_column, sorted_class_names
from capas.data.tabular.columns import column_from_cells
from tests.data.drawing import class_folders, save


def table(tmp_path: Path, **columns: Sequence[object]) -> Path:
    path = tmp_path / "t.csv"
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([";".join(columns), *(";".join(map(str, row)) for row in rows)]), encoding="utf-8")
    return path


def found(path: Path, target: str | None = None, task: str | None = None) -> TaskDetection:
    return detect_task(open_source(path, target=target), target=target, task=task)


def refused(path: Path, target: str | None = None, task: str | None = None) -> CapasError:
    with pytest.raises(CapasError) as caught:
        found(path, target, task)
    assert "{" not in str(caught.value)
    return caught.value


def kind(name: str, cells: Sequence[float]) -> ColumnKind:
    return describe_column(name, column_from_cells(cells)).kind


def test_folders_are_classified_in_natural_order(tmp_path: Path) -> None:
    class_folders(tmp_path, p10=1, p9=1, P1=1)
    detection = found(tmp_path)
    assert detection.spec.task == "classify"
    assert detection.spec.classes == ("P1", "p9", "p10")
    assert [field.kind for field in detection.spec.inputs] == ["image"]
    assert detection.evidence
    assert detection.alternatives == ()


GRADE = ["low", "high"] * 5
SIZE = [0.5 + i * 1.25 for i in range(10)]


@pytest.mark.parametrize("name", ["label", "Clase", "ETIQUETA", "categoría", "target"])
def test_a_telling_name_wins_over_the_last_column(tmp_path: Path, name: str) -> None:
    columns: dict[str, Sequence[object]] = {
        "id": list(range(10)),
        name: ["a", "b"] * 5,
        "size": SIZE,
        "grade": GRADE,
    }
    detection = found(table(tmp_path, **columns))
    assert detection.spec.target.name == name
    assert any(name in sentence for sentence in detection.evidence)
    assert [(other.task, other.target) for other in detection.alternatives] == [
        ("regress", "size"),
        ("classify", "grade"),
    ]
    assert [(field.name, field.kind) for field in detection.spec.inputs] == [
        ("size", "number"),
        ("grade", "category"),
    ]


def test_else_the_last_category(tmp_path: Path) -> None:
    detection = found(table(tmp_path, first=["a", "b"] * 5, grade=GRADE, size=SIZE, code=list(range(10))))
    assert detection.spec.target.name == "grade"


def test_few_whole_numbers_are_classes_without_decimals(tmp_path: Path) -> None:
    detection = found(table(tmp_path, size=SIZE, digit=[10, 2] * 5))
    assert detection.spec.classes == ("2", "10")


def test_a_label_of_a_hundred_numbers_is_a_class_but_an_age_is_not() -> None:
    cells = [float(i % 100) for i in range(1000)]
    assert kind("label", cells) == "few_numbers"
    assert kind("age", cells) == "number"


def test_a_column_of_measurements_is_a_number_to_estimate(tmp_path: Path) -> None:
    path = table(tmp_path, id=list(range(10)), weight=SIZE[::-1], size=SIZE)
    spec = found(path).spec
    assert (spec.task, spec.target.name, spec.target.kind, spec.classes) == ("regress", "size", "number", ())
    assert [field.name for field in spec.inputs] == ["weight"]
    assert found(path, target="weight").spec.target.name == "weight"
    assert refused(path, target="size", task="classify").key == "target_is_number"
    assert refused(path, target="size", task="generate").key == "generate_wants_pictures"


def test_words_are_no_numbers_to_estimate(tmp_path: Path) -> None:
    assert refused(table(tmp_path, size=SIZE, grade=GRADE), target="grade", task="regress").key == "target_is_no_number"
    class_folders(tmp_path / "folders", cats=2, dogs=2)
    assert refused(tmp_path / "folders", task="regress").key == "target_is_no_number"


def test_identifiers_are_never_the_target(tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(10)]
    path = table(tmp_path, name=names, patient_id=list(range(10)), grade=GRADE)
    assert found(path).spec.target.name == "grade"
    assert refused(path, target="name").key == "target_is_identifier"
    assert refused(path, target="patient_id").key == "target_is_identifier"
    assert refused(table(tmp_path, name=names, other=names[::-1])).key == "no_target"


def test_a_misspelt_target_or_task_gets_the_nearest(tmp_path: Path) -> None:
    path = table(tmp_path, size=SIZE, grade=GRADE)
    assert refused(path, target="grad").values["nearest"] == "grade"
    assert refused(path, task="clasify").values["nearest"] == "classify"
    assert refused(path, task="generate").key == "generate_wants_pictures"
    assert found(path, target="GRADE").spec.target.name == "grade"


def test_free_text_and_empty_targets(tmp_path: Path) -> None:
    notes = [f"a long note about case number {i}" for i in range(10)]
    path = table(tmp_path, note=notes, blank=[""] * 10, grade=GRADE)
    assert refused(path, target="note").key == "target_is_text"
    assert refused(path, target="blank").key == "target_empty"


def test_unlabelled_pictures_say_which_layout_is_expected(tmp_path: Path) -> None:
    save(tmp_path / "a.png", 1)
    save(tmp_path / "b.png", 2)
    error = refused(tmp_path)
    assert error.key == "no_labels"
    assert "cats/ dogs/" in str(error) or "gatos/ perros/" in str(error)


def test_columns_beside_pictures_are_announced_as_used_and_can_be_left_out(tmp_path: Path) -> None:
    for i in range(10):
        save(tmp_path / f"{i}.png", i)
    path = table(tmp_path, file=[f"{i}.png" for i in range(10)], size=SIZE, grade=GRADE)
    detection = found(path)
    assert [(field.name, field.kind) for field in detection.spec.inputs] == [("file", "image"), ("size", "number")]
    assert [field.name for field in detection.spec.columns_beside] == ["size"] and detection.spec.medium == "image"
    assert "columns beside the files (1): size" in detection.evidence[-1]
    without = detect_task(open_source(path), columns_beside=False)
    assert [field.name for field in without.spec.inputs] == ["file"] and "not used: size" in without.evidence[-1]
    named = detect_task(open_source(path), columns_beside=("size", "gone"))
    assert [field.name for field in named.spec.inputs] == ["file", "size"]


def test_an_identifier_is_known_by_its_name_or_by_counting_the_rows() -> None:
    assert kind("patient_id", [5.0, 90.0, 33.0]) == "identifier"
    assert kind("row", [3.0, 1.0, 2.0]) == "identifier"
    assert kind("weight", [5.0, 90.0, 33.0]) == "number"


def test_numbers_are_ordered_by_value() -> None:
    assert sorted_class_names(column_from_cells([10.0, -1.0, 2.5, None])) == ("-1", "2.5", "10")


def numbers(**columns: Sequence[object]) -> dict[str, Sequence[object]]:
    """A column to learn from, and those given."""
    return {"given": [1.5 + 0.7 * i for i in range(12)], **columns}


WEIGHTS = [50.5 + 1.25 * i for i in range(12)]
TAGS = ["old|red", "red", "old", "blue", "red|blue", "old|blue"] * 2


def test_the_last_column_of_a_table_is_the_target_whatever_it_holds(tmp_path: Path) -> None:
    assert found(table(tmp_path, **numbers(sex=["f", "m"] * 6, weight=WEIGHTS))).spec.task == "regress"
    assert found(table(tmp_path, **numbers(weight=WEIGHTS, sex=["f", "m"] * 6))).spec.task == "classify"
    assert found(table(tmp_path, **numbers(weight=WEIGHTS, kept=TAGS))).spec.task == "tag"


def test_tags_are_named_in_natural_order_each_once(tmp_path: Path) -> None:
    path = table(tmp_path, **numbers(topics=TAGS, weight=WEIGHTS))
    spec = found(path).spec
    assert (spec.task, spec.target.name, spec.target.kind, spec.classes) == (
        "tag", "topics", "tags", ("blue", "old", "red"),
    )  # fmt: skip
    assert [(other.task, other.target) for other in found(path, target="weight").alternatives] == [
        ("regress", "given"), ("tag", "topics"),
    ]  # fmt: skip
    whole = found(path, target="topics", task="classify").spec
    assert "old|red" in whole.classes and whole.task == "classify"


def test_units_stand_in_the_names_of_columns(tmp_path: Path) -> None:
    columns = {"distance_km": WEIGHTS[::-1], "weight (kg)": WEIGHTS}
    spec = found(table(tmp_path, **numbers(**columns))).spec
    assert (spec.target.name, spec.target.unit) == ("weight (kg)", "kg")
    assert {field.name: field.unit for field in spec.inputs} == {"given": "", "distance_km": "km"}


def test_several_numbers_can_be_estimated_together(tmp_path: Path) -> None:
    path = table(
        tmp_path, **numbers(sex=["f", "m"] * 6, **{"x (mm)": WEIGHTS, "y (mm)": WEIGHTS[::-1], "a,b": WEIGHTS})
    )
    spec = found(path, target="y (mm), x (mm)").spec
    assert spec.task == "regress"
    assert [(field.name, field.kind, field.unit) for field in spec.targets] == [
        ("y (mm)", "number", "mm"), ("x (mm)", "number", "mm"),
    ]  # fmt: skip
    assert [field.name for field in spec.inputs] == ["given", "sex", "a,b"]
    assert [field.name for field in found(path, target="a,b").spec.targets] == ["a,b"]  # a name may hold a comma
    assert refused(path, target="x (mm),z (mm)").values["nearest"] == "y (mm)"
    assert refused(path, target="x (mm),sex", task="regress").key == "target_is_no_number"
    assert refused(path, target="x (mm),y (mm)", task="classify").key in ("several_targets", "target_is_number")


def test_files_in_pairs_leave_no_choice_of_task(tmp_path: Path) -> None:
    for i in range(2):
        save(tmp_path / "input" / f"{i}.png", i)
        save(tmp_path / "target" / f"{i}.png", 10 + i)
    assert refused(tmp_path, task="classify").key == "task_not_of_data"


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (["price", "x", "y", "z"], "price"),
        (["Survived", "Pclass", "Sex", "Embarked"], "Survived"),
        (["median_house_value", "ocean_proximity"], "median_house_value"),
        (["SalePrice", "YrSold"], "SalePrice"),
        (["sentiment", "source"], "sentiment"),
        (["is_churn", "plan"], "is_churn"),
        (["Churn", "plan"], "Churn"),
        (["default.payment.next.month", "sex"], "default.payment.next.month"),
        (["default", "y"], "y"),
        (["diagnosis", "side"], "diagnosis"),
        (["Outcome", "kind"], "Outcome"),
        (["customer_diagnosis", "side"], "customer_diagnosis"),
        (["unit_price", "total"], "total"),
        (["sex", "weight"], "weight"),
    ],
)
def test_names_that_tell_the_target_in_tables_people_know(tmp_path: Path, names: list[str], target: str) -> None:
    rows = [",".join("abc"[(i + j) % 3] if j % 2 else f"{i % 2}" for j in range(len(names))) for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(names), *rows]))
    assert detect_task(open_source(tmp_path / "t.csv")).spec.targets[0].name == target
