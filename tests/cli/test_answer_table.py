"""The user's columns as they were, and the answers beside them."""

from pathlib import Path

from capas.cli.answer_table import make_answer_table
from capas.data.tabular.raw_rows import RawTable, read_raw_table
from capas.engine.recipe import Prediction


def answer(name: str, prediction: object = "x", **more: object) -> Prediction:
    return Prediction(input=name, prediction=prediction, **more)  # type: ignore[arg-type]


def cells(answers: list[Prediction], origins: list[tuple[RawTable, int] | None]) -> dict[str, list[object]]:
    made = make_answer_table(answers, origins, ["x", "y"], plain_numbers=True)
    assert all(len(column.cells) == made.rows for column in made.columns)
    return {column.name: list(column.cells) for column in made.columns}


def test_a_table_keeps_its_columns_and_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,prediction,w\n01,=A1,1.50\nbroken\n02,no,2\n")
    raw = read_raw_table(path)
    answers = [
        answer("t.csv#1", probability=0.75, probabilities={"x": 0.75, "y": 0.25}),
        answer("t.csv#2", None, refused="odd"),
    ]
    made = make_answer_table(answers, [(raw, 0), (raw, 2)], ["x", "y"], plain_numbers=True)
    assert (made.rows, made.unread, made.renamed) == (3, 1, {"prediction": "prediction_capas"})
    found = {column.name: list(column.cells) for column in made.columns}
    assert list(found) == ["id", "prediction", "w", "prediction_capas", "probability", "refused", "p(x)", "p(y)"]
    assert found["id"] == ["01", "broken", "02"] and found["w"] == ["1.50", None, "2"]
    assert found["prediction"] == ["=A1", None, "no"] and found["prediction_capas"] == ["x", None, None]
    assert found["refused"][0] == "" and "3" in str(found["refused"][1]) and found["refused"][2] == "odd"


def test_a_number_has_its_interval_beside_it(tmp_path: Path) -> None:
    facts = {"value": 2.5, "unit": "kg", "interval": [2.0, 3.0], "level": 0.9}
    found = cells([answer("a", 2.5, facts=facts), answer("b", 1.0, facts={**facts, "interval": None})], [None, None])
    assert list(found) == ["input", "prediction", "probability", "lower", "upper", "refused", "unit", "level"]
    assert (found["prediction"], found["lower"], found["upper"]) == ([2.5, 1.0], [2.0, None], [3.0, None])


def test_several_tables_and_files_are_told_apart_by_their_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("u,v\n1,2\n")
    (tmp_path / "b.csv").write_text("v,w\n3,4\n")
    first, second = (read_raw_table(tmp_path / f"{name}.csv") for name in "ab")
    found = cells([answer("a.csv#1"), answer("file.png"), answer("b.csv#1")], [(first, 0), None, (second, 0)])
    assert list(found)[:5] == ["input", "u", "v", "w", "prediction"]
    assert found["input"] == ["a.csv#1", "file.png", "b.csv#1"] and found["v"] == ["2", None, "3"]


def test_a_limit_ends_the_table_where_the_answers_end(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("u,v\n1,2\n3,4\n5\n6,7\n")
    raw = read_raw_table(tmp_path / "a.csv")
    assert cells([answer("1"), answer("2")], [(raw, 0), (raw, 1)])["u"] == ["1", "3"]
