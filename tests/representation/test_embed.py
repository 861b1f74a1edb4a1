"""Whole datasets through encoders: what is written, gone on with, left out, and refused."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from PIL import Image

from capas.core.errors import CapasError
from capas.core.spec import Medium
from capas.data.text.wordpiece import WordPieceTokenizer
from capas.engine.encoders.encoder import Truncates, encode_contents
from capas.engine.recipes.single_output.text.encodings import SentenceEmbeddingEncoding, SentenceEmbeddings
from capas.representation.data_items import open_data_items
from capas.representation.embed import embed_to
from capas.representation.encoders import open_encoder


class MeanColour:
    """An encoder of three numbers that counts what it is asked for and can be made to stop."""

    name = "mean-colour"
    fingerprint = "c" * 32
    media: tuple[Medium, ...] = ("image",)

    def __init__(self, stop_after: int = 10**9) -> None:
        self.encoded = 0
        self.stop_after = stop_after

    def preprocess(self, content: object, name: str) -> object:
        assert isinstance(content, Path)
        try:
            with Image.open(content) as image:
                return np.asarray(image.convert("RGB")).mean((0, 1)).astype(np.float32)
        except OSError as error:
            raise CapasError("unreadable", where=name, received="broken") from error

    def encode(self, prepared: Sequence[object]) -> NDArray[np.float32]:
        self.encoded += len(prepared)
        if self.encoded > self.stop_after:
            raise KeyboardInterrupt
        return np.stack([one for one in prepared if isinstance(one, np.ndarray)])


class Brightness(MeanColour):
    """Another encoder."""

    name = "brightness"
    fingerprint = "b" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(1, 71):  # none is black: its vector would have no direction
        place = tmp_path / "data" / ("red" if i % 2 else "blue")
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, 0, 0) if i % 2 else (0, 0, i)).save(place / f"{i:03d}.png")
    return tmp_path / "data"


def test_every_example_has_the_row_that_its_item_names(folder: Path, tmp_path: Path) -> None:
    vectors = embed_to(tmp_path / "v", MeanColour(), open_data_items(str(folder)))
    assert len(vectors) == 70 and vectors.manifest.data == str(folder)
    for item, row in zip(vectors.items, vectors.matrix, strict=True):
        value = int(Path(item.name).stem)
        np.testing.assert_array_equal(row, (value, 0, 0) if value % 2 else (0, 0, value))
        assert item.columns["class"] == Path(item.name).parent.name


def test_it_goes_on_where_it_stopped_and_ends_alike(folder: Path, tmp_path: Path) -> None:
    whole = embed_to(tmp_path / "whole", MeanColour(), open_data_items(str(folder)))
    with pytest.raises(KeyboardInterrupt):
        embed_to(tmp_path / "v", MeanColour(stop_after=65), open_data_items(str(folder)))
    again = MeanColour()
    vectors = embed_to(tmp_path / "v", again, open_data_items(str(folder)))
    assert again.encoded == 1 + 70 - 64  # one to learn the length of a vector
    np.testing.assert_array_equal(vectors.matrix, whole.matrix)
    assert vectors.manifest == whole.manifest


def test_a_broken_file_costs_one_line(folder: Path, tmp_path: Path) -> None:
    (folder / "red" / "999.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    vectors = embed_to(tmp_path / "v", MeanColour(), open_data_items(str(folder)))
    assert len(vectors) == 70 and vectors.manifest.examples == 71
    assert list(vectors.manifest.failed) == ["red/999.png"]


def test_other_data_are_refused_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("some words")
    with pytest.raises(CapasError) as refused:
        embed_to(tmp_path / "v", MeanColour(), open_data_items(str(tmp_path / "texts")))
    assert refused.value.key == "encoder_of_other_medium"
    assert not (tmp_path / "v").exists()


def test_two_writers_do_not_meet(folder: Path, tmp_path: Path) -> None:
    from capas.core.files import only_writer

    with only_writer(tmp_path / "v"), pytest.raises(CapasError) as refused:
        embed_to(tmp_path / "v", MeanColour(), open_data_items(str(folder)))
    assert refused.value.key == "run_is_busy"


def test_parquet_holds_the_same(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    whole = embed_to(tmp_path / "v", MeanColour(), open_data_items(str(folder)))
    packed = embed_to(tmp_path / "v.parquet", MeanColour(), open_data_items(str(folder)))
    np.testing.assert_array_equal(packed.matrix, whole.matrix)
    assert packed.manifest == whole.manifest and sorted(p.name for p in tmp_path.iterdir()) == [
        "data",
        "v",
        "v.parquet",
    ]
    again = MeanColour()
    assert len(embed_to(tmp_path / "v.parquet", again, open_data_items(str(folder)))) == 70 and again.encoded == 0
    with pytest.raises(CapasError) as refused:
        embed_to(tmp_path / "v.parquet", Brightness(), open_data_items(str(folder)))
    assert refused.value.key == "vectors_exist"
    (tmp_path / "table.parquet").write_bytes(b"mine")
    with pytest.raises(CapasError) as refused:
        embed_to(tmp_path / "table.parquet", MeanColour(), open_data_items(str(folder)))
    assert refused.value.key == "file_exists"


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_finished_vectors_of_the_same_data_are_not_computed_again(folder: Path, tmp_path: Path) -> None:
    (folder / "red" / "999.png").write_bytes(b"broken")
    first = embed_to(tmp_path / "v", MeanColour(), open_data_items(str(folder)))
    again = MeanColour()
    vectors = embed_to(tmp_path / "v", again, open_data_items(str(folder)))
    assert again.encoded == 0 and vectors.manifest == first.manifest


@pytest.mark.parametrize("change", ["network", "precision", "content", "name", "mended", "other data"])
def test_finished_vectors_of_anything_else_are_left_alone(folder: Path, tmp_path: Path, change: str) -> None:
    Image.new("RGB", (8, 8)).save(folder / "red" / "black.png")
    first = embed_to(tmp_path / "v", MeanColour(), open_data_items(str(folder)))
    assert list(first.manifest.failed) == ["red/black.png"] and "no direction" in first.manifest.failed["red/black.png"]
    before = files_in(tmp_path / "v")
    match change:
        case "content":
            Image.new("RGB", (8, 8), (0, 9, 0)).save(folder / "red" / "001.png")
        case "name":
            (folder / "red" / "001.png").rename(folder / "red" / "002.png")
        case "mended":
            Image.new("RGB", (8, 8), (0, 9, 0)).save(folder / "red" / "black.png")
        case "other data":
            folder = folder.rename(tmp_path / "other")
    encoder = Brightness() if change == "network" else MeanColour()
    with pytest.raises(CapasError) as refused:
        embed_to(tmp_path / "v", encoder, open_data_items(str(folder)),
                 precision="float16" if change == "precision" else "float32")  # fmt: skip
    assert refused.value.key == "vectors_exist" and "mean-colour, float32" in refused.value.received
    assert ("have changed" in refused.value.received) is (change in ("content", "name", "mended"))
    assert files_in(tmp_path / "v") == before


def test_a_folder_of_the_user_is_left_as_it_was(folder: Path) -> None:
    with pytest.raises(CapasError) as refused:
        embed_to(folder, MeanColour(), open_data_items(str(folder)))
    assert (refused.value.key, refused.value.received) == ("vectors_exist", "blue")
    assert sorted(path.name for path in folder.iterdir()) == ["blue", "red"]


@pytest.mark.parametrize("scale", [0.0, 1e30])
def test_a_vector_without_direction_costs_one_line(folder: Path, tmp_path: Path, scale: float) -> None:
    class Spoilt(MeanColour):
        def encode(self, prepared: Sequence[object]) -> NDArray[np.float32]:
            rows = super().encode(prepared)
            rows[rows[:, 0] == 5] *= np.float32(scale)
            return rows

    vectors = embed_to(tmp_path / "v", Spoilt(), open_data_items(str(folder)))
    assert len(vectors) == 69 and "no direction" in vectors.manifest.failed["red/005.png"]


def test_long_texts_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OneNumber:
        """The encoding with a vocabulary of one word, and its length for a vector."""

        pieces = WordPieceTokenizer(["[UNK]", "[CLS]", "[SEP]", "word"])

        def encode(self, texts: Sequence[str]) -> SentenceEmbeddings:
            return SentenceEmbeddings(embeddings=torch.tensor([[float(len(text))] for text in texts]))

    monkeypatch.setattr(SentenceEmbeddingEncoding, "open", OneNumber)
    encoder = open_encoder("text-minilm")
    (tmp_path / "t.csv").write_text("n,story\n" + "\n".join(f"1,{'word ' * n}" for n in (255, 254, 300)) + "\n")
    embed_to(tmp_path / "v", encoder, open_data_items(str(tmp_path / "t.csv"), column="story"))
    assert isinstance(encoder, Truncates) and encoder.truncated == 2  # 256 with [CLS] and [SEP]


def test_a_table_of_texts_needs_no_labels(tmp_path: Path) -> None:
    long = "the cat sat on the mat and looked at the moon for a long time "
    rows = "\n".join(f"{i},{long}{i}" for i in range(12))
    (tmp_path / "t.csv").write_text(f"number,story\n{rows}\n")
    items = open_data_items(str(tmp_path / "t.csv"))
    assert (items.medium, len(items), items.content(3)) == ("text", 12, f"{long}3")
    assert items.cells(3)["number"] == "3" and items.cells(3)["text"].startswith("the cat")
    assert open_data_items(str(tmp_path / "t.csv"), column="number").content(3) == "3"
    with pytest.raises(CapasError) as refused:
        open_data_items(str(tmp_path / "t.csv"), column="nothing")
    assert refused.value.key == "no_such_column"


def test_pixels_and_mel_statistics_are_what_they_say(tmp_path: Path) -> None:
    (grey,) = encode_contents(open_encoder("pixels"), [np.full((64, 64), 255, np.uint8)])
    assert grey.shape == (1024,) and np.ptp(grey) == 0
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    soundfile.write(tmp_path / "tone.wav", tone, 16000)
    (bands,) = encode_contents(open_encoder("mel-statistics"), [tmp_path / "tone.wav"])
    assert bands.shape == (128,)
    assert 20 < int(bands[:64].argmax()) < 28  # 1,000 Hz among 64 bands up to 8,000
    assert bands[64:].max() < bands[:64].std()  # a steady tone hardly varies


@pytest.mark.parametrize(("name", "key"), [
    ("pixles", "encoder_unknown"), ("efficientnet-lite0@9000", "encoder_side"), ("hf:", "hub_name_missing"),
    ("hf:./nowhere", "no_such_path"), ("no/such/run", "encoder_unknown"),
])  # fmt: skip
def test_what_is_no_encoder_is_refused(name: str, key: str) -> None:
    with pytest.raises(CapasError) as refused:
        open_encoder(name)
    assert refused.value.key == key
    assert refused.value.key != "encoder_unknown" or "pixels" in str(refused.value)


def test_a_run_gives_the_inputs_of_its_last_layer(tmp_path: Path) -> None:
    import capas

    run = tmp_path / "run"
    small = {"train.epochs": 1, "network.width": 8, "network.flip_tta": False}
    capas.train("sample:shapes", out=run, report="none", settings=small)
    encoder = open_encoder(str(run))
    contents = [np.full((32, 32, 3), value, np.uint8) for value in (0, 255)]
    vectors = encode_contents(encoder, contents)
    model = capas.load(run, answer_all=True)
    network = model.predictor.network
    layer = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    logits = torch.from_numpy(vectors) @ layer.weight.detach().T
    if layer.bias is not None:
        logits = logits + layer.bias.detach()
    with torch.no_grad():
        prepared = [model.predictor.preprocess(model.predictor.item(one, 0)) for one in contents]
        raw = network(model.predictor.reader.collate(prepared))  # type: ignore[attr-defined]
    scale = (raw / logits).flatten()  # the network may scale its logits; the direction is what is compared
    torch.testing.assert_close(scale, scale[:1].expand_as(scale), rtol=1e-3, atol=1e-3)
    assert open_encoder(str(run)).fingerprint == encoder.fingerprint
