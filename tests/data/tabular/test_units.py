"""Numbers that are written with their unit are numbers; what only looks like it stays what it is."""

from pathlib import Path

import pytest

import capas
from capas.data.tabular.units import parse_measures, unit_from_name


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["12 kg", "7.5 kg"], ([12.0, 7.5], "kg")),
        (["3,5 €", "10 €"], ([3.5, 10.0], "€")),
        (["$7", "$12.50"], ([7.0, 12.5], "$")),
        (["5km", "7km"], ([5.0, 7.0], "km")),
        (["-3 °C", "+4 °C"], ([-3.0, 4.0], "°C")),
        (["30 m/s", "4 m/s"], ([30.0, 4.0], "m/s")),
        (["12 kg", "7 g"], None),
        (["12 kg", "many"], None),
        (["3a", "4a"], None),
        (["1.png", "2.png"], None),
        (["12", "13"], None),
        ([], None),
    ],
)
def test_measures(texts: list[str], expected: object) -> None:
    assert parse_measures(texts) == expected


def test_the_unit_in_a_name() -> None:
    names = ["weight (kg)", "largo [mm]", "distance_km", "T (°C)", "kg", "class", "Precio EUR", "m"]
    assert [unit_from_name(name) for name in names] == ["kg", "mm", "km", "°C", "", "", "€", ""]


def test_a_table_with_units_dates_gaps_constants_and_identifiers(tmp_path: Path) -> None:
    lines = ["\ufeffid,constant,height,mixed,when,weight"]
    for i in range(80):
        missing, weight = "n/a" if i % 10 == 0 else str(i / 2), "" if i % 20 == 0 else f"{60 + i % 30}.5 kg"
        lines.append(f"{i},7,{150 + i % 37} cm,{missing},2024-0{1 + i % 9}-1{i % 9},{weight}")
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    seen = capas.look(tmp_path / "t.csv")
    spec, tree = seen.detection.spec, seen.as_json()
    assert (spec.task, spec.target.name, spec.target.unit) == ("regress", "weight", "kg")
    assert {field.name: (field.kind, field.unit) for field in spec.inputs} == {
        "constant": ("number", ""), "height": ("number", "cm"), "mixed": ("number", ""), "when": ("date", ""),
    }  # fmt: skip
    found = {problem.kind: problem for problem in seen.problems}
    assert found["unlabelled"].count == 4 and found["constant_column"].examples == ("constant",)
    assert found["identifier_column"].examples == ("id",)
    assert tree["table"]["columns"][2] == {"name": "mixed", "kind": "number", "missing": 8}
