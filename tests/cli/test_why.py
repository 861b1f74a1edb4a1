"""``capas explain`` and ``capas attack``: one input at a time."""

import json
from pathlib import Path

import numpy as np
import pytest
import xlsxwriter
from numpy.typing import NDArray
from PIL import Image

from capas.cli import why_verbs
from tests.cli.snapshot import assert_snapshot, shape_of
from tests.data.drawing import class_folders
from tests.engine.made_problems import rows_table, sound_folders, texts_table
from tests.harness import FIXED, Answer, capas_here, train_here
from tests.trust.bars import SMALL, made_pictures

Capture = pytest.CaptureFixture[str]
TINY = {"train.epochs": 2, **{key: value for key, value in FIXED.items() if key != "network.width"}}


@pytest.fixture(scope="module")
def texts_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    return train_here(texts_table(folder / "texts.csv"), folder / "texts", {**TINY, "data.target": "about"})


@pytest.fixture(scope="module")
def rows_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    return train_here(rows_table(folder / "rows.csv"), folder / "rows", TINY)


@pytest.fixture(scope="module")
def bars_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars that lie or stand, learnt well enough to have something to change."""
    folder = tmp_path_factory.mktemp("why")
    data = made_pictures(folder / "bars", 200, mark=False, content=True)
    return train_here(data, folder / "run", {**SMALL, "train.epochs": 6})


def a_picture() -> Path:
    return class_folders(Path("pictures"), cats=1) / "cats" / "0.png"


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def error_of(answer: Answer) -> dict[str, str]:
    assert answer.code == 2 and "Traceback" not in answer.err
    found = answer.json
    assert isinstance(found, dict)
    return found


def test_a_picture_is_explained_by_a_picture(finished_run: Path, capsys: Capture) -> None:
    said = capas_here(capsys, "explain", finished_run, a_picture(), "-o", "why")
    assert said.code == 0, said.err
    written = Path("why/0.explained.png")
    assert str(written) in said.out and pixels(written).shape[2] == 3
    assert "did not find maps of this kind reliable, or did not check them" in said.err, "the run has no report"
    shown = capas_here(capsys, "explain", finished_run, a_picture(), "--json")
    assert shown.code == 0 and shown.err == ""
    found = shown.json
    assert isinstance(found, list) and found[0]["method"] == "integrated_gradients"
    assert found[0]["explained"] == found[0]["prediction"] and Path(found[0]["picture"]).is_file()
    assert_snapshot("json-explain-picture", shape_of({**found[0], "probabilities": {"CLASS": 0.5}}))


def test_the_method_that_the_report_found_most_telling_is_the_default(
    finished_run: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = {
        "gradient": {"reliable": True, "insertion": 0.6, "deletion": 0.3},
        "occlusion": {"reliable": True, "insertion": 0.8, "deletion": 0.2},
        "integrated_gradients": {"reliable": False, "insertion": 0.9, "deletion": 0.0},
        "brightness": {"insertion": 1.0, "deletion": 0.0},
    }
    report = {"themes": {"explanations": {"facts": {"methods": methods}}}}
    monkeypatch.setattr(why_verbs, "read_report", lambda run: report)
    said = capas_here(capsys, "explain", finished_run, a_picture(), "-o", "why", "--json")
    assert said.json[0]["method"] == "occlusion"  # type: ignore[index]
    methods["gradient"]["reliable"] = methods["occlusion"]["reliable"] = False
    assert why_verbs.reliable_method(str(finished_run)) is None


def test_another_class_than_the_answer_can_be_explained(finished_run: Path, capsys: Capture) -> None:
    maps = []
    for name in ("circle", "square"):
        said = capas_here(capsys, "explain", finished_run, a_picture(), "--of", name, "-o", name, "--json")
        assert said.code == 0 and said.json[0]["explained"] == name  # type: ignore[index]
        maps.append(pixels(Path(name) / "0.explained.png"))
    assert (maps[0] != maps[1]).any(), "what speaks for a circle is not what speaks for a square"
    unknown = error_of(capas_here(capsys, "explain", finished_run, a_picture(), "--of", "dragon", "--json"))
    assert unknown["error"] == "no_such_answer" and "circle" in unknown["expected"]


def test_the_picture_has_its_own_size_and_is_explained_in_every_way(finished_run: Path, capsys: Capture) -> None:
    with Image.open(a_picture()) as small:
        small.resize((150, 90)).save("large.png")
    maps = []
    for way in ("integrated_gradients", "occlusion", "gradient", "grad_cam"):
        said = capas_here(capsys, "explain", finished_run, "large.png", "--method", way, "-o", way, "--json")
        assert said.code == 0 and said.json[0]["method"] == way, said.err  # type: ignore[index]
        maps.append(pixels(Path(way) / "large.explained.png"))
        assert maps[-1].shape == (90, 150, 3)
    assert len({one.tobytes() for one in maps}) == 4
    unknown = error_of(capas_here(capsys, "explain", finished_run, "large.png", "--method", "attention_last", "--json"))
    assert unknown["error"] == "no_such_way" and "occlusion" in unknown["expected"]


def test_a_text_is_explained_by_attention_where_there_is_some(
    texts_run: Path, tmp_path: Path, capsys: Capture
) -> None:  # fmt: skip
    settings = {**TINY, "data.target": "about", "network.name": "text-transformer"}
    run = train_here(texts_run.parent / "texts.csv", tmp_path / "run", settings)
    words = ("explain", run, "the sea and the ships", "--method", "attention_rollout", "--json")
    (found,) = json.loads(capas_here(capsys, *words).out)
    assert found["method"] == "attention_rollout" and len(found["parts"]) == 5
    assert sum(part["weight"] for part in found["parts"]) == pytest.approx(1, abs=1e-4)
    (usual,) = json.loads(capas_here(capsys, "explain", run, "the sea and the ships", "--json").out)
    assert usual["method"] == "leave_one_out" and usual["parts"] != found["parts"]
    counted = train_here(texts_run.parent / "texts.csv", tmp_path / "counted", {**settings, "network.name": "text-bag"})
    none = error_of(capas_here(capsys, "explain", counted, *words[2:]))
    assert none["error"] == "no_such_way" and none["expected"].endswith("leave_one_out")


def test_the_words_of_a_text_are_weighed(texts_run: Path, capsys: Capture) -> None:
    text = json.loads(capas_here(capsys, "explain", texts_run, "the the the the", "--json").out)[0]
    assert text["method"] == "leave_one_out" and [part["part"] for part in text["parts"]] == ["the"] * 4
    assert text["picture"] is None
    assert_snapshot("json-explain-text", shape_of({**text, "probabilities": {"CLASS": 0.5}}))
    said = capas_here(capsys, "explain", texts_run, "one two three four five six seven eight nine ten")
    assert said.code == 0 and "seven eight" in said.out and not list(Path().glob("*.png"))


def test_the_columns_of_a_row_are_weighed(rows_run: Path, capsys: Capture) -> None:
    row = _first_row(rows_run.parent / "rows.csv")
    found = json.loads(capas_here(capsys, "explain", rows_run, row, "--json").out)[0]
    columns = {part["part"] for part in found["parts"]}
    assert columns and columns <= {cell.partition("=")[0] for cell in row.split(",")}
    said = capas_here(capsys, "explain", rows_run, row)
    assert said.code == 0 and all(name[:24] in said.out for name in columns)


def test_a_picture_is_attacked(finished_run: Path, capsys: Capture) -> None:
    said = capas_here(capsys, "attack", finished_run, a_picture(), "--size", "0.1", "--json", "-o", "out")
    assert said.code == 0 and said.err == ""
    found = said.json
    assert isinstance(found, list) and found[0]["largest_change"] <= 0.1 + 1e-6
    assert_snapshot("json-attack-picture", shape_of(found[0]))
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"0.attacked.png", "0.change.png", "0.attack.json"}
    assert json.loads(Path("out/0.attack.json").read_text()) == found[0]
    shown = capas_here(capsys, "attack", finished_run, a_picture(), "--size", "0.5")
    assert shown.code == 0 and "→" in shown.out and "noise of the same size" in shown.out
    assert "your own models" in shown.err


def test_a_picture_is_pushed_towards_a_class(bars_run: Path, capsys: Capture) -> None:
    picture = next((bars_run.parent / "bars" / "lying").glob("*.png"))
    for name in ("lying", "standing"):
        said = capas_here(capsys, "attack", bars_run, picture, "--size", "0.5", "--target", name, "--json", "-o", name)
        assert said.code == 0 and said.json[0]["after"]["prediction"] == name  # type: ignore[index]
    shown = capas_here(capsys, "predict", bars_run, f"standing/{picture.stem}.attacked.png", "--json")
    assert shown.json[0]["prediction"] == "standing", "the file that was written does what was said"  # type: ignore[index]
    words = ("attack", bars_run, picture, "--target", "dragon", "--json")
    assert error_of(capas_here(capsys, *words))["error"] == "no_such_answer"


def test_a_text_is_attacked_by_misspellings(texts_run: Path, capsys: Capture) -> None:
    text = Path("text.txt")
    text.write_text("several longer words standing together here", encoding="utf-8")
    said = capas_here(capsys, "attack", texts_run, text, "--json", "-o", "out")
    assert said.code == 0, said.err
    found = json.loads(said.out)[0]
    assert len(found["misspelt"]) <= 5
    assert_snapshot("json-attack-text", shape_of({**found, "misspelt": ["wrods"]}))
    changed = Path("out/text.attacked.txt").read_text(encoding="utf-8").split()
    given = text.read_text(encoding="utf-8").split()
    assert [sorted(word) for word in changed] == [sorted(word) for word in given], "letters are only swapped"


def test_other_kinds_are_refused_with_the_reason(rows_run: Path, tmp_path: Path, capsys: Capture) -> None:
    row = _first_row(rows_run.parent / "rows.csv")
    rows = error_of(capas_here(capsys, "attack", rows_run, row, "--json"))
    assert rows["error"] == "attack_other_kind" and "table" in rows["received"]
    labelled = tmp_path / "labelled"
    labelled.mkdir()
    (labelled / "words.conll").write_text(
        "".join(f"Ana B-PER\nwalks{i} O\nfar O\n\n" for i in range(40)), encoding="utf-8"
    )
    run = train_here(labelled, tmp_path / "words", {**TINY, "train.epochs": 1})
    for verb in ("explain", "attack"):
        found = error_of(capas_here(capsys, verb, run, "Ana walks", "--json"))
        assert found["error"] == f"{verb}_other_kind" and "label" in found["received"]


def test_a_sound_is_explained_by_a_picture_and_parts(tmp_path: Path, capsys: Capture) -> None:
    run = train_here(sound_folders(tmp_path / "sounds"), tmp_path / "run", {**TINY, "train.epochs": 1})
    (found,) = json.loads(
        capas_here(capsys, "explain", run, next((tmp_path / "sounds").rglob("*.wav")), "--json").out
    )  # fmt: skip
    assert found["parts"] and all(" s" in part["part"] for part in found["parts"])
    assert Path(found["picture"]).is_file()


def test_nothing_given_is_refused(finished_run: Path, capsys: Capture) -> None:
    Path("none").mkdir()
    for verb in ("explain", "attack"):
        assert error_of(capas_here(capsys, verb, finished_run, "none", "--json"))["error"] == "nothing_to_predict"
        assert error_of(capas_here(capsys, verb, "nowhere", "none", "--json"))["error"] == "no_such_bundle"


def _first_row(table: Path) -> str:
    """The first row as ``predict`` and its like take it."""
    head, first, *_ = table.read_text(encoding="utf-8").splitlines()
    return ",".join(f"{name}={value}" for name, value in zip(head.split(","), first.split(","), strict=True))


@pytest.mark.parametrize("verb", ["explain", "attack"])
def test_the_sheet_of_a_workbook_is_chosen(verb: str, finished_run: Path, capsys: Capture) -> None:
    with xlsxwriter.Workbook("list.xlsx") as book:
        for name, rows in (("first", ["gone.png"] * 3), ("mine", [str(a_picture())])):
            sheet = book.add_worksheet(name)
            sheet.write_column(0, 0, ["file", *rows])
    said = capas_here(capsys, verb, finished_run, "list.xlsx", "--sheet", "mine", "--json")
    assert said.code == 0 and len(said.json) == 1  # type: ignore[arg-type]
    unknown = capas_here(capsys, verb, finished_run, "list.xlsx", "--sheet", "other", "--json")
    assert error_of(unknown)["error"] == "no_such_sheet"
