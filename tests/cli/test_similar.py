"""``capas index`` and ``capas similar`` as they are called: what they say, write and refuse."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.cli.complete import indexes
from capas.core.i18n import choose_language
from capas.representation.index import cell_building, search
from capas.representation.vector_files import write_vectors
from capas.representation.vectors import VectorItem, Vectors, VectorsManifest
from tests.harness import capas_here
from tests.representation.index.made_index import item, random_rows

COLOURS = {"red/0.png": (250, 5, 0), "red/1.png": (250, 5, 1), "blue/<b>.png": (0, 0, 250), "blue/1.png": (0, 90, 200)}
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two red pictures and two blue ones: their left halves have the colour, the right ones noise."""
    monkeypatch.chdir(tmp_path)
    for number, (name, colour) in enumerate(COLOURS.items()):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number // 2).integers(0, 255, (32, 32, 3), np.uint8)
        pixels[:, :16] = colour
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty vectors in a folder."""
    monkeypatch.chdir(tmp_path)
    manifest = VectorsManifest(
        encoder="net", fingerprint="f", data="/data", data_hash="", medium="image", dimensions=4, precision="float32",
        examples=40,
    )  # fmt: skip
    items = [item(number) for number in range(40)]
    write_vectors(tmp_path / "v", Vectors(matrix=random_rows(40), items=items, manifest=manifest))
    return tmp_path / "v"


def tree_of(capsys: Capture, *arguments: str | Path) -> dict[str, object]:
    answer = capas_here(capsys, *arguments, "--json")
    tree = answer.json
    assert isinstance(tree, dict)
    return tree


def test_from_a_folder_to_what_is_similar(photos: Path, capsys: Capture) -> None:
    made = tree_of(capsys, "index", "pixels", photos, "-o", "i")
    assert (made["count"], made["added"], made["encoder"], made["dimensions"]) == (4, 4, "pixels", 1024)
    assert (made["exact"], made["recall"], made["reason"]) == (True, None, None)
    again = capas_here(capsys, "index", "pixels", photos, "-o", "i")
    assert again.code == 0 and "4 there already" in again.out
    found = tree_of(capsys, "similar", "i", photos / "red" / "0.png", "-k", "2")
    assert (found["searched"], found["exact"]) == (4, True)
    first, second = found["results"]  # type: ignore[misc]
    assert (first["name"], first["rank"], first["missing"], first["closer_than"]) == ("red/0.png", 1, False, None)
    assert first["similarity"] == pytest.approx(1, abs=1e-5) and second["name"] == "red/1.png"
    assert first["path"] == str(photos / "red" / "0.png") and first["columns"] == {"class": "red"}
    (photos / "blue" / "<b>.png").unlink()
    told = capas_here(capsys, "similar", "i", "blue/1.png", "--where", "class=blue")
    assert told.code == 0 and "blue/<b>.png" in told.out and "the file is gone" in told.out and "red" not in told.out
    assert indexes("") == ["i"]


def test_pages_and_tables(photos: Path, capsys: Capture) -> None:
    capas_here(capsys, "index", "pixels", photos, "-o", "i")
    (photos / "red" / "1.png").unlink()
    choose_language("es")
    try:
        said = capas_here(capsys, "similar", "i", "blue/<b>.png", "--html", "p.html", "--csv", "t.csv")
    finally:
        choose_language(None)
    assert said.code == 0 and "Escrito: p.html" in said.err
    page = Path("p.html").read_text(encoding="utf-8")
    assert '<html lang="es">' in page and "Parecidos a «blue/&lt;b&gt;.png»" in page and "<b>" not in page
    assert page.count("data:image/webp;base64,") == 3  # the query and two of the three others
    assert page.count("El archivo ya no está") == 1 and "http" not in page.replace("http-equiv", "")
    assert Path("t.csv").read_text(encoding="utf-8-sig").splitlines()[0].startswith("puesto;similitud;nombre;archivo")
    groups = capas_here(capsys, "similar", "i", "--duplicates", "--html", "d.html", "--csv", "d.csv")
    assert "red/0.png" in groups.out and "blue" not in groups.out
    assert "first of the group" in Path("d.html").read_text(encoding="utf-8")
    rows = Path("d.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["group", "1", "1"]


def test_near_duplicates_as_json(vectors: Path, capsys: Capture) -> None:
    capas_here(capsys, "index", vectors, "-o", "i")
    tree = tree_of(capsys, "similar", "i", "--duplicates", "--min-similarity", "0.9", "--where", "class=cat")
    unit = random_rows(40)[::3] / np.linalg.norm(random_rows(40)[::3], axis=1, keepdims=True)
    groups = tree["groups"]
    assert isinstance(groups, list) and tree["searched"] == 14
    for group in groups:
        rows = [int(one["name"].removesuffix(".png")) // 3 for one in group]
        assert [one["similarity"] for one in group] == pytest.approx((unit[rows] @ unit[rows[0]]).tolist(), abs=1e-5)
        assert min(one["similarity"] for one in group) >= 0.9
    assert tree["extra"] == sum(len(group) - 1 for group in groups) > 0


def test_removing_and_writing_anew(vectors: Path, capsys: Capture) -> None:
    assert tree_of(capsys, "index", vectors, "-o", "i")["added"] == 40
    assert tree_of(capsys, "index", "-o", "i", "--remove", "1?.png", "--remove", "2.png")["removed"] == 11
    assert "29 items" in capas_here(capsys, "index", "-o", "i").out
    with open("i/00000001.vectors", "r+b") as file:
        file.write(b"\xff")
    refused = capas_here(capsys, "index", "-o", "i")
    assert refused.code == 2 and "--rebuild" in refused.err
    rebuilt = tree_of(capsys, "index", "-o", "i", "--rebuild")
    assert (rebuilt["count"], rebuilt["lost"]) == (0, 29)
    assert tree_of(capsys, "index", vectors, "-o", "i")["added"] == 40


def test_a_large_index_tells_its_recall(vectors: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (search, cell_building):
        monkeypatch.setattr(module, "EXACT_ROWS", 20)
    tree = tree_of(capsys, "index", vectors, "-o", "i")
    recall = tree["recall"]
    assert tree["exact"] is False and isinstance(recall, dict) and recall["n"] == 27 and "interval" in recall
    told = capas_here(capsys, "similar", "i", "3.png", "-k", "2")
    assert "of the 10 nearest (measured with 27 items" in told.out
    Path("i/00000001.cells").unlink()
    slow = capas_here(capsys, "similar", "i", "3.png", "-k", "2")
    assert slow.code == 0 and "capas index -o i --rebuild" in slow.err
    assert tree_of(capsys, "index", "-o", "i", "--rebuild")["exact"] is False


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["index", "-o", "nothing"], "no_such_index"),
        (["index", "v", "-o", "v"], "not_an_index"),
        (["index", "v", "-o", "i", "--rebuild"], "index_words"),
        (["index", "-o", "nothing", "--remove", "x"], "no_such_index"),
        (["index", "nothing", "-o", "i"], "no_such_path"),
        (["index", "no-network", "v", "-o", "i"], "encoder_unknown"),
        (["index", "a", "b", "c", "-o", "i"], "embed_words"),
        (["similar", "nothing", "x"], "no_such_index"),
        (["similar", "v", "x"], "no_such_index"),
        (["similar", "made"], "query_missing"),
        (["similar", "made", "no.png"], "no_such_item"),
        (["similar", "made", "3.png", "--duplicates"], "similar_words"),
        (["similar", "made", "3.png", "--where", "class"], "where_malformed"),
        (["similar", "made", "3.png", "--where", "age=3"], "index_no_such_column"),
        (["similar", "made", "3.png", "--csv", "t.parquet"], "table_not_written"),
        (["similar", "made", "3.png", "--html", "v/vectors.json/p.html"], "cannot_write"),
        (["similar", "made", "3.png", "--network", "no-network"], "encoder_unknown"),
        (["similar", "made", "3.png", "-k", "0"], "usage_bad_value"),
    ],
    ids=str,
)
def test_what_is_refused(vectors: Path, capsys: Capture, words: list[str], key: str) -> None:
    assert capas_here(capsys, "index", vectors, "-o", "made").code == 0
    refused = capas_here(capsys, *words, "--json")
    assert refused.code == 2 and json.loads(refused.out)["error"] == key


def test_a_name_that_is_a_formula_is_none_in_the_table(vectors: Path, capsys: Capture) -> None:
    manifest = VectorsManifest(encoder="", fingerprint="", data="/d", data_hash="", medium="image", dimensions=4,
                               precision="float32", examples=2)  # fmt: skip
    items = [VectorItem(name=name, index=place) for place, name in enumerate(("=1+1", "b"))]
    write_vectors(Path("w"), Vectors(matrix=random_rows(2), items=items, manifest=manifest))
    capas_here(capsys, "index", "w", "-o", "j")
    capas_here(capsys, "similar", "j", "b", "--csv", "t.csv")
    assert ",'=1+1," in Path("t.csv").read_text(encoding="utf-8")
