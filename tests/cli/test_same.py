"""``capas same`` as it is called: what it says, writes and refuses."""

import csv
from pathlib import Path

import pytest

import capas
from tests.engine.recipes.verification.made import write_signs
from tests.harness import FIXED, capas_here

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_signs(tmp_path_factory.mktemp("signs"), identities=12, table=False)


@pytest.fixture(scope="module")
def run(signs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "signs"
    capas.train(signs, out=folder, settings={**FIXED, "data.task": "verify", "train.epochs": 4, "train.batch_size": 16})
    return folder


def test_two_files(run: Path, signs: Path, capsys: Capture) -> None:
    files = (signs / "sign00" / "0.png", signs / "sign00" / "1.png")
    tree = capas_here(capsys, "same", run, *files, "--json").json
    assert isinstance(tree, dict)
    (pair,) = tree["pairs"]
    assert (pair["first"], pair["second"]) == tuple(map(str, files))
    assert pair["same"] == (pair["cosine"] >= tree["operating_point"]["threshold"])
    assert set(tree["operating_point"]["false_match"]) >= {"value", "n"}
    assert "GDPR" in tree["consent"]
    said = capas_here(capsys, "same", run, *files, "--cost-false-match", "1e12").out
    assert said.startswith("Not the same") and "always" in said and "0.0 %" in said and "consent" in said
    spanish = capas_here(capsys, "--lang", "es", "same", run, *files, "--cost-false-non-match", "1e12").out
    assert spanish.startswith("Es lo mismo") and "RGPD" in spanish


def test_a_table_of_pairs_and_a_folder(run: Path, signs: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "pairs.csv").write_text(
        f"a,b\n{signs}/sign00/0.png,{signs}/sign00/1.png\nno.png,{signs}/sign01/0.png\n"
    )
    answer = capas_here(capsys, "same", run, "--pairs", tmp_path / "pairs.csv", "--csv", tmp_path / "out.csv")
    assert answer.code == 0 and "1 files could not be read" in answer.out
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1 and 0 < float(rows[0]["probability"]) < 1
    (tmp_path / "notes.csv").write_text("mine,own\n1,2\n")
    refused = capas_here(capsys, "same", run, "--pairs", tmp_path / "pairs.csv", "--csv", tmp_path / "notes.csv")
    assert refused.code == 2 and (tmp_path / "notes.csv").read_text().startswith("mine")
    assert capas_here(capsys, "same", run, "--pairs", tmp_path / "pairs.csv", "--csv", tmp_path / "out.csv").code == 0
    everything = capas_here(capsys, "same", run, "--all", signs, "--prior", "0.999", "--json").json
    assert isinstance(everything, dict) and everything["total"] == 60 * 59 // 2
    cosines = [pair["cosine"] for pair in everything["pairs"]]
    assert cosines == sorted(cosines, reverse=True) and all(pair["same"] for pair in everything["pairs"])


def test_what_is_not_clear_is_refused(run: Path, signs: Path, tmp_path: Path, capsys: Capture) -> None:
    file = signs / "sign00" / "0.png"
    (tmp_path / "note.txt").write_text("no picture")
    (tmp_path / "one.csv").write_text("a\nx.png\n")
    for words, key in (
        ((), "same_words"),
        ((file,), "same_words"),
        ((file, file, "--all", signs), "same_words"),
        ((file, file, "--prior", "1"), "same_number"),
        ((file, file, "--cost-false-match", "-1"), "same_number"),
        ((file, tmp_path / "note.txt"), "picture_not_a_picture"),
        (("--pairs", tmp_path / "one.csv"), "pairs_columns"),
    ):
        answer = capas_here(capsys, "same", run, *words, "--json")
        assert answer.code == 2 and isinstance(answer.json, dict)
        assert answer.json["error"] == key, words


def test_look_says_how_identities_are_divided(signs: Path, capsys: Capture) -> None:
    tree = capas_here(capsys, "look", signs, "--task", "verify", "--json").json
    assert isinstance(tree, dict)
    counts = [tree["splits"][side]["identities"] for side in ("train", "validation", "test")]
    assert sum(counts) == 12 and min(counts) >= 2
    said = capas_here(capsys, "look", signs, "--task", "verify").out
    assert "none is in two splits" in said and "--task verify" in said
