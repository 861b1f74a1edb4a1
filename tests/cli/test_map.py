"""``capas map``: from vectors and from data to a page, what it says, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.representation.map import methods
from capas.representation.vector_files import write_vectors
from capas.representation.vector_folder import VectorWriter
from tests.harness import capas_here
from tests.representation.map.made_vectors import grouped, vectors_of


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    write_vectors(tmp_path / "vectors", vectors_of(grouped(40)))
    return tmp_path / "vectors"


def test_a_page_and_a_table_are_written_and_how_far_they_can_be_believed_is_said(
    vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "STEPS", 20)
    monkeypatch.setattr(methods, "EXAGGERATED_STEPS", 20)
    page, table = tmp_path / "map.html", tmp_path / "map.csv"
    said = capas_here(capsys, "map", vectors, "--method", "tsne", "-o", page, "--csv", table)
    assert said.code == 0 and page.is_file()
    assert "40 items, t-SNE, coloured by class" in said.out and "with PCA" in said.out and "Trustworthiness" in said.out
    assert "no longer at /nowhere" in said.out  # the data are gone: no thumbnails, and it says so
    assert (
        capas_here(capsys, "map", vectors, "--method", "pca", "-o", page, "--csv", table).code == 0
    )  # replaces its own
    head, first, *rest = table.read_text().splitlines()
    assert head == "name,x,y,class" and first.startswith("0.png,") and first.endswith(",a") and len(rest) == 39


def test_in_spanish_it_is_spanish(vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = capas_here(capsys, "--lang", "es", "map", vectors, "--method", "pca", "-o", tmp_path / "mapa.html")
    assert "De los 15 más parecidos" in said.out and "40 elementos" in said.out


def test_data_are_embedded_first_and_nothing_of_it_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 255, (8, 8), dtype=np.uint8) // (1 if name == "a" else 4)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    page = tmp_path / "map.html"
    said = capas_here(capsys, "map", tmp_path / "data", "--network", "pixels", "-o", page, "--json")
    tree = said.json
    assert isinstance(tree, dict) and said.code == 0
    assert (tree["items"], tree["method"], tree["colour"], tree["thumbnails"]) == (8, "pca", "class", 8)
    assert tree["encoder"] == "pixels" and tree["quality"]["preserved"]["n"] == 8 and tree["failed"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "map.html"]


@pytest.mark.parametrize(
    ("options", "key"),
    [(["--method", "som"], "map_method_unknown"), (["--colour", "age"], "map_no_such_column"),
     (["--network", "other"], "vectors_of_other_encoder"), (["-o", "vectors"], "cannot_write"),
     (["--csv", "map.parquet"], "table_not_written"), (["--csv", "x.foo"], "output_suffix"),
     (["-o", "map.txt"], "output_suffix"), (["-o", "mine.html"], "output_not_ours"),
     (["--csv", "mine.csv"], "output_not_ours"), (["-o", f"{'a' * 250}.html"], "cannot_write"),
     (["-o", "mine.html/map.html"], "cannot_write")],
)  # fmt: skip
def test_wrong_options_are_refused_before_any_work(
    options: list[str], key: str, vectors: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(vectors.parent)
    monkeypatch.setattr("capas.cli.representation.map_verbs.make_map", None) if options[0] in ("-o", "--csv") else None
    for name in ("mine.html", "mine.csv"):
        Path(name).write_text("x,y\n1,2\n")
    said = capas_here(capsys, "map", vectors, *options, "--json")
    tree = said.json
    assert said.code == 2 and isinstance(tree, dict) and tree["error"] == key
    assert not (vectors.parent / "map.html").exists()


@pytest.mark.parametrize("count", [1, 2])
def test_of_one_or_two_items_there_is_no_map(count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_vectors(tmp_path / "few", vectors_of(grouped(count)))
    said = capas_here(capsys, "map", tmp_path / "few", "-o", tmp_path / "map.html")
    assert said.code == 2 and "Too few" in said.err


def test_unfinished_vectors_are_called_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("v", "v.parquet.part"):
        with VectorWriter(tmp_path / name, vectors_of(grouped(3)).manifest, "names"):
            pass
    Path("v/vectors.part.json").unlink()  # killed before it was written
    for words in (["map", "v"], ["index", "v", "-o", "i"], ["map", "v.parquet"], ["index", "v.parquet", "-o", "i"]):
        said = capas_here(capsys, *words)
        assert said.code == 2 and "interrupted" in said.err and "same capas embed command" in said.err


def test_a_path_that_holds_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = capas_here(capsys, "map", tmp_path / "gone", "-o", tmp_path / "map.html")
    assert said.code == 2 and "gone" in said.err
