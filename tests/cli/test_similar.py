"""``capas index`` and ``capas similar`` as they are called: what they say, write and refuse."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.cli.complete import indexes
from capas.core.i18n import choose_language
from capas.representation.index import cell_building, search
from capas.representation.index.indexing import index_vectors
from capas.representation.index.results_page import nothing_found
from capas.representation.index.search import SimilarItems, SimilarityIndex
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
        (["similar", "made", "3.png", "--html", "v/vectors.json"], "output_suffix"),
        (["similar", "made", "3.png", "--html", "mine.html"], "output_not_ours"),
        (["similar", "made", "3.png", "--csv", "mine.csv"], "output_not_ours"),
        (["similar", "made", "3.png", "--csv", "mine.xlsx"], "output_not_ours"),
        (["similar", "made", "3.png", "--csv", "t"], "output_suffix"),
        (["index", "-o", "made", "--remove", "nosuch*"], "no_item_matches"),
        (["similar", "made", "mine.csv"], "index_network_moved"),
        (["embed", "hf:", "v", "-o", "w"], "hub_name_missing"),
        (["similar", "made", "3.png", "--network", "no-network"], "encoder_unknown"),
        (["similar", "made", "3.png", "-k", "0"], "usage_bad_value"),
    ],
    ids=str,
)
def test_what_is_refused(vectors: Path, capsys: Capture, words: list[str], key: str) -> None:
    assert capas_here(capsys, "index", vectors, "-o", "made").code == 0
    for name in ("mine.html", "mine.csv", "mine.xlsx"):
        Path(name).write_text("name,x,y\n")
    refused = capas_here(capsys, *words, "--json")
    assert refused.code == 2 and json.loads(refused.out)["error"] == key


def small_index(names: Sequence[str], *, medium: str = "image", data: str = "/d", fingerprint: str = "") -> None:
    """An index "j" of items with these names."""
    manifest = VectorsManifest(encoder="/gone/run" if fingerprint else "", fingerprint=fingerprint, data=data,
                               data_hash="", medium=medium, dimensions=4, precision="float32",
                               examples=len(names))  # fmt: skip
    items = [VectorItem(name=name, index=place) for place, name in enumerate(names)]
    index_vectors(Vectors(matrix=random_rows(len(names)), items=items, manifest=manifest), "j")


def test_nothing_found_has_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    small_index(["a"])
    assert "holds 1 item of 4 numbers" in capas_here(capsys, "index", "-o", "j").out
    assert "The index holds nothing else" in capas_here(capsys, "similar", "j", "a", "--html", "p.html").out
    assert "The index holds nothing else" in Path("p.html").read_text(encoding="utf-8")
    nothing = SimilarItems(items=[[]], searched=0, exact=True, conditions=True)
    assert nothing_found(SimilarityIndex("j"), nothing) == "No other item fulfils the conditions"
    capas_here(capsys, "index", "-o", "j", "--remove", "a")
    assert nothing_found(SimilarityIndex("j"), nothing) == "The index is empty"


@pytest.mark.parametrize(
    ("medium", "fingerprint", "key"),
    [("table", "", "index_without_encoder"), ("image", "", "index_without_encoder"),
     ("table", "f", "index_not_of_files"), ("image", "f", "index_network_moved")],
)  # fmt: skip
def test_a_file_asked_of_an_index_that_cannot_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, medium: str, fingerprint: str, key: str
) -> None:
    monkeypatch.chdir(tmp_path)
    small_index(["a", "b"], medium=medium, fingerprint=fingerprint)
    Path("there.png").write_bytes(b"x")
    refused = capas_here(capsys, "similar", "j", "there.png", "--json")
    assert isinstance(refused.json, dict) and refused.json["error"] == key
    assert key != "index_network_moved" or refused.json["received"] == "/gone/run"


def test_names_stay_on_their_line_and_find_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    for number, name in enumerate((b"bad\xff.png", b"two\nlines.png", b"c.png")):
        Image.fromarray(np.eye(8, dtype=np.uint8) * 80 * (number + 1)).save(Path("d") / os.fsdecode(name))
    capas_here(capsys, "index", "pixels", "d", "-o", "i")
    said = capas_here(capsys, "similar", "i", "c.png")
    assert said.code == 0 and "badÿ.png" in said.out and "two\\nlines.png" in said.out
    assert "gone" not in said.out and len(said.out.splitlines()) == 3
    (Path("d") / os.fsdecode(b"bad\xff.png")).unlink()
    assert "gone" in capas_here(capsys, "similar", "i", "c.png").out


def test_a_long_query_is_shortened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    small_index(["a", "b"])
    refused = capas_here(capsys, "similar", "j", "word " * 16_000)
    assert refused.code == 2 and len(refused.err) < 1000 and "…" in refused.err


class Beginnings:
    """An encoder of texts that reads no more than five letters."""

    name, fingerprint, media, truncated = "beginnings", "f", ("text",), 0

    def preprocess(self, content: object, name: str) -> object:
        self.truncated += len(str(content)) > 5
        return content

    def encode(self, prepared: Sequence[object]) -> np.ndarray:
        return np.ones((len(prepared), 4), np.float32)


def test_a_text_that_is_read_in_part_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("capas.representation.index.queries.open_encoder", lambda name, fetch: Beginnings())
    small_index(["a", "b"], medium="text", fingerprint="f")
    assert "its end was left out" in capas_here(capsys, "similar", "j", "long text").err
    assert "left out" not in capas_here(capsys, "similar", "j", "short").err


def test_vectors_that_are_there_are_not_computed_again(
    photos: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tree_of(capsys, "embed", "pixels", photos, "-o", "e")["computed"] is True
    assert tree_of(capsys, "embed", "pixels", photos, "-o", "e")["computed"] is False
    assert "nothing was computed" in capas_here(capsys, "embed", "pixels", photos, "-o", "e").out
    (photos / "more").mkdir()
    refused = capas_here(capsys, "embed", "pixels", photos / "red", "-o", "e", "--json")
    assert isinstance(refused.json, dict) and refused.json["error"] == "vectors_exist"


def test_a_name_that_is_a_formula_is_none_in_the_table(vectors: Path, capsys: Capture) -> None:
    manifest = VectorsManifest(encoder="", fingerprint="", data="/d", data_hash="", medium="image", dimensions=4,
                               precision="float32", examples=2)  # fmt: skip
    items = [VectorItem(name=name, index=place) for place, name in enumerate(("=1+1", "b"))]
    write_vectors(Path("w"), Vectors(matrix=random_rows(2), items=items, manifest=manifest))
    capas_here(capsys, "index", "w", "-o", "j")
    capas_here(capsys, "similar", "j", "b", "--csv", "t.csv")
    assert ",'=1+1," in Path("t.csv").read_text(encoding="utf-8")
