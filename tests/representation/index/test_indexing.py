"""From data into an index by an encoder, and from files to queries."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from capas.core.errors import CapasError
from capas.core.spec import Medium
from capas.representation.data_items import open_data_items
from capas.representation.encoders import open_encoder
from capas.representation.index.indexing import IndexedData, index_data, index_vectors, lasting_name, remove_items
from capas.representation.index.item_files import ItemFiles
from capas.representation.index.item_names import rows_like, rows_named
from capas.representation.index.queries import open_query
from capas.representation.index.search import SimilarityIndex
from capas.representation.index.snapshot import IndexedItem
from capas.representation.index.writer import AddedItems
from capas.representation.vectors import VectorItem, Vectors, VectorsManifest
from tests.representation.index.made_index import index_of, random_rows


class CountingEncoder:
    """Mean colours of images; or lengths of words of texts. ``encoded`` counts."""

    name, fingerprint = "counting", "c" * 32

    def __init__(self, media: tuple[Medium, ...] = ("image",)) -> None:
        self.media = media
        self.encoded = 0

    def preprocess(self, content: object, name: str) -> object:
        if isinstance(content, str):
            return np.array([content.count(letter) for letter in "abc"], np.float32)
        assert isinstance(content, Path)
        try:
            return np.asarray(Image.open(content).convert("RGB"), np.float32).mean((0, 1))
        except OSError as error:
            raise CapasError("image_unreadable", where=name, received="x") from error

    def encode(self, prepared: Sequence[object]) -> NDArray[np.float32]:
        self.encoded += len(prepared)
        return np.stack([np.asarray(one, np.float32) for one in prepared])


COLOURS = {"red/0.png": (250, 5, 0), "red/1.png": (240, 10, 10), "blue/0.png": (0, 0, 250), "blue/1.png": (0, 9, 240)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), colour).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def fill(photos: Path, encoder: CountingEncoder) -> IndexedData:
    return index_data(encoder, open_data_items(str(photos)), photos.parent / "index")


def test_a_second_time_only_what_has_changed_is_embedded(photos: Path) -> None:
    encoder = CountingEncoder()
    assert fill(photos, encoder).items == AddedItems(added=4)
    encoder.encoded = 0
    assert fill(photos, encoder).items == AddedItems(unchanged=4) and encoder.encoded == 0
    Image.new("RGB", (8, 8), (0, 250, 0)).save(photos / "red" / "0.png")
    Image.new("RGB", (8, 8), (0, 250, 9)).save(photos / "blue" / "2.png")
    (photos / "red" / "1.png").unlink()
    assert fill(photos, encoder).items == AddedItems(added=1, replaced=1, unchanged=2) and encoder.encoded == 2
    index = SimilarityIndex(photos.parent / "index")
    assert len(index) == 5  # what is gone from the data stays until it is removed
    assert index.snapshot.manifest.precision == "float16"


def test_files_that_cannot_be_read_are_listed_and_come_later(photos: Path) -> None:
    (photos / "red" / "2.png").write_bytes(b"no picture")
    encoder = CountingEncoder()
    done = fill(photos, encoder)
    assert done.items.added == 4 and list(done.failed) == ["red/2.png"]
    Image.new("RGB", (8, 8), (200, 0, 0)).save(photos / "red" / "2.png")
    assert fill(photos, encoder).items == AddedItems(added=1, unchanged=4)


def test_data_in_which_nothing_can_be_read_leave_no_index(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(2):
        (tmp_path / "photos" / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(CapasError):
        fill(tmp_path / "photos", CountingEncoder())
    assert not (tmp_path / "index").exists()


def test_vectors_of_another_encoder_or_length_are_refused(photos: Path) -> None:
    fill(photos, CountingEncoder())
    index = photos.parent / "index"
    other = CountingEncoder()
    other.fingerprint = "d" * 32
    with pytest.raises(CapasError) as refused:
        fill(photos, other)
    assert refused.value.key == "vectors_of_other_encoder"
    for dimensions, fingerprint in ((3, "x" * 32), (4, "c" * 32)):
        manifest = VectorsManifest(
            encoder="e", fingerprint=fingerprint, data="/d", data_hash="", medium="image", dimensions=dimensions,
            precision="float32", examples=1,
        )  # fmt: skip
        vectors = Vectors(matrix=random_rows(1, dimensions), items=[VectorItem(name="a", index=0)], manifest=manifest)
        with pytest.raises(CapasError) as refused:
            index_vectors(vectors, index)
        assert refused.value.key == "vectors_of_other_encoder"
    assert len(SimilarityIndex(index)) == 4


def test_items_are_removed_by_name_or_pattern_all_or_none(photos: Path) -> None:
    fill(photos, CountingEncoder())
    index = photos.parent / "index"
    with pytest.raises(CapasError) as refused:
        remove_items(index, ["red/*", "green/*"])
    assert refused.value.key == "no_item_matches" and len(SimilarityIndex(index)) == 4
    assert remove_items(index, ["red/*", "blue/0.png", "red/0.png"]) == 3
    assert len(SimilarityIndex(index)) == 1
    with pytest.raises(CapasError) as gone:
        remove_items(index, ["red/0.png"])
    assert gone.value.key == "no_item_matches"


def test_names_are_found_as_they_are(tmp_path: Path) -> None:
    names = ['a"b.png', "a\\b.png", "ñ [1].png", "*.png", "line\nbreak.png", "plain.png"]
    items = [
        VectorItem(name=name, index=place, columns={"name": "plain.png", "z": "1"}) for place, name in enumerate(names)
    ]
    snapshot = SimilarityIndex(index_of(tmp_path, random_rows(6), items)).snapshot
    for row, name in enumerate(names):
        assert rows_named(snapshot, name).tolist() == [row]
    assert rows_like(snapshot, "*.png").tolist() == [3]  # a name that looks like a pattern is taken as it is
    assert rows_like(snapshot, "?*.pn?").tolist() == [0, 1, 2, 3, 4, 5]
    assert rows_like(snapshot, "plain").tolist() == [] == rows_like(snapshot, "").tolist()


def test_queries_are_files_names_and_words(photos: Path) -> None:
    fill(photos, CountingEncoder())
    index, encoder = SimilarityIndex(photos.parent / "index"), CountingEncoder()
    by_file = open_query(index, str(photos / "red" / "0.png"), encoder=encoder)
    hits = index.search(by_file.vector, 2).items[0]
    assert [hit.found.item.name for hit in hits] == ["red/0.png", "red/1.png"]
    assert hits[0].similarity == pytest.approx(1, abs=1e-6) and by_file.path == photos / "red" / "0.png"
    by_name = open_query(index, "blue/0.png")  # needs no encoder
    assert by_name.found is not None
    own = index.search(by_name.vector, 1, without=[by_name.found.row]).items[0]
    assert own[0].found.item.name == "blue/1.png"
    for given, text, key in (
        ("no.png", None, "no_such_item"), ("", None, "query_missing"), (None, None, "query_missing"),
        (None, " ", "query_missing"), (None, "a cat", "encoder_of_other_medium"), ("a\0b", None, "no_such_item"),
        (str(photos), None, "no_such_item"),
    ):  # fmt: skip
        with pytest.raises(CapasError) as refused:
            open_query(index, given, text=text, encoder=encoder)
        assert refused.value.key == key, given
    joint = CountingEncoder(("image", "text"))
    assert open_query(index, None, text="aab", encoder=joint).vector.tolist() == [2, 1, 0]
    changed = CountingEncoder()
    changed.fingerprint = "d" * 32
    with pytest.raises(CapasError) as other:
        open_query(index, str(photos / "red" / "0.png"), encoder=changed)
    assert other.value.key == "index_encoder_changed"


def test_texts_are_queries_of_an_index_of_texts(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("text,class\naaa a,x\nbb bb,y\nccc a,x\n", encoding="utf-8")
    encoder = CountingEncoder(("text",))
    index_data(encoder, open_data_items(str(tmp_path / "texts.csv"), column="text"), tmp_path / "index")
    index = SimilarityIndex(tmp_path / "index")
    hits = index.search(open_query(index, "bbb", encoder=encoder).vector, 1).items[0]
    assert hits[0].found.item.columns == {"class": "y", "text": "bb bb"}
    assert ItemFiles("text").path(hits[0].found) is None and not ItemFiles("text").missing(hits[0].found)


def test_vectors_of_unknown_origin_are_searched_by_name_only(tmp_path: Path) -> None:
    manifest = VectorsManifest(encoder="", fingerprint="", data="/d", data_hash="", medium="table", dimensions=4,
                               precision="float32", examples=2)  # fmt: skip
    items = [VectorItem(name=f"#{row}", index=row) for row in range(2)]
    index_vectors(Vectors(matrix=random_rows(2), items=items, manifest=manifest), tmp_path / "index")
    index = SimilarityIndex(tmp_path / "index")
    assert open_query(index, "#1").vector.shape == (4,)
    with pytest.raises(CapasError) as refused:
        open_query(index, None, text="words")
    assert refused.value.key == "index_without_encoder"


def test_previews_follow_their_files(photos: Path) -> None:
    fill(photos, CountingEncoder())
    Image.new("RGB", (8, 8)).save(photos / "blue" / "00.png")  # every place behind it is another one now
    (photos / "red" / "1.png").unlink()
    snapshot = SimilarityIndex(photos.parent / "index").snapshot
    files = ItemFiles("image")
    by_name = {found.item.name: found for found in snapshot.items(np.arange(4))}
    thumbnail = files.thumbnail(by_name["red/0.png"], 16)
    assert thumbnail is not None and thumbnail.startswith(b"RIFF")
    gone = by_name["red/1.png"]
    assert files.missing(gone) and files.thumbnail(gone, 16) is None
    assert files.path(gone) == photos / "red" / "1.png"
    sample = IndexedItem(row=0, item=VectorItem(name="digits/00001", index=1), data="sample:digits")
    assert files.path(sample) is None and not files.missing(sample) and files.thumbnail(sample, 16) is not None


def test_an_encoder_in_a_folder_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    assert lasting_name("run") == str(tmp_path / "run") and lasting_name("pixels") == "pixels"


def test_an_index_by_a_named_encoder_opens_it_itself(photos: Path) -> None:
    index_data(open_encoder("pixels"), open_data_items(str(photos)), photos.parent / "index")
    index = SimilarityIndex(photos.parent / "index")
    hits = index.search(open_query(index, str(photos / "blue" / "1.png")).vector, 1).items[0]
    assert hits[0].found.item.name in COLOURS
