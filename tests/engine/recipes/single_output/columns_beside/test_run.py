"""One tiny run from a table of pictures with columns: card, predictions, tests on other tables, changed cells."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import capas
from capas.core.errors import CapasError
from capas.engine.config import DataConfig
from capas.engine.dataset_record import find_examples, read_dataset_record
from capas.engine.evaluate import evaluate_on
from capas.engine.run import find_run
from tests.harness import FIXED, capas_here, train_here

N = 48


def table(folder: Path, columns: tuple[str, ...] = ("file", "age", "device", "diagnosis"), seed: int = 0) -> Path:
    """Pictures of light or dark, with an age and a device beside them."""
    chance = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "t.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        for i in range(N):
            name = f"{seed}-{i:02d}.png"
            Image.fromarray(chance.integers(0, 100, (8, 8), dtype=np.uint8) + 100 * (i % 2)).save(folder / name)
            row = {
                "file": name,
                "age": f"{30 + 0.5 * i}",
                "device": "AB"[i // 2 % 2],
                "diagnosis": ("well", "ill")[i % 2],
            }
            writer.writerow(row)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beside")
    settings = {
        **FIXED,
        "train.epochs": 1,
        "train.cross_validate": False,
        "network.name": "compact",
        "network.flip_tta": False,
    }
    return train_here(table(folder / "data"), folder / "run", settings)


def test_the_card_says_which_columns_and_values_it_has_seen(run: Path) -> None:
    card = json.loads((run / "bundle" / "card.json").read_text())
    age, device = card["network"]["columns"]
    assert (age["name"], age["kind"], device["values"]) == ("age", "number", ["A", "B"]) or device["values"] == [
        "B",
        "A",
    ]
    assert 30 <= age["low"] < age["high"] <= 53.5
    assert [field["name"] for field in card["inputs"]] == ["file", "age", "device"]
    readme = (run / "bundle" / "README.md").read_text()
    assert f"| age | {age['low']} – {age['high']} |" in readme and "takes columns of a table: age, device" in readme
    assert "{'file': \"picture.jpg\", 'age': " in readme


def test_rows_and_pictures_alone_are_predicted(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = run.parent / "data"
    rows = capas_here(capsys, "predict", run, data / "t.csv", "--json").json
    assert isinstance(rows, list) and len(rows) == N and not any("without_columns" in one for one in rows)
    model = capas.load(run)
    (same,) = model.predict([{"file": data / "0-00.png", "age": 30.0, "device": "A"}])
    assert rows[0]["probability"] == pytest.approx(same.probability, abs=1e-4)
    (alone,) = model.predict([data / "0-00.png"])
    assert alone.facts["without_columns"] == ["age", "device"] and alone.probability != same.probability
    told = capas_here(capsys, "predict", run, data / "0-00.png")
    assert "! without its columns (age, device)" in told.out


def test_another_table_is_tested_on_the_columns_that_it_has(run: Path, tmp_path: Path) -> None:
    some = table(tmp_path / "some", ("file", "device", "diagnosis"), seed=1)
    assert evaluate_on(run, str(some))["left_out"] == 0
    with pytest.raises(CapasError) as error:
        evaluate_on(run, str(table(tmp_path / "none", ("file", "diagnosis"), seed=2)))
    assert error.value.key == "no_columns_beside" and "age, device" in str(error.value)


def test_changed_cells_are_noticed(run: Path) -> None:
    record, path = read_dataset_record(find_run(run)), run.parent / "data" / "t.csv"
    text = path.read_text()
    try:
        assert len(find_examples(record, DataConfig())[1]) == len(record.names)
        path.write_text(text.replace("30.0,A", "31.0,A"))
        with pytest.raises(CapasError) as error:
            find_examples(record, DataConfig())
        assert error.value.key == "columns_changed"
    finally:
        path.write_text(text)
