"""Translation: learnt from few pairs, tested, saved, asked in every way; what is no text is refused."""

import csv
import json
import random
import shutil
from pathlib import Path

import pytest
import torch

from capas.core.errors import CapasError
from capas.data.text.vocabulary import BOS, EOS, PAD
from capas.engine.config import Config
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Item
from capas.engine.recipes.translation.data import collate_translation_pairs
from capas.engine.recipes.translation.evaluate import evaluate_translations
from capas.engine.recipes.translation.predictor import split_text
from capas.engine.train import resume, train
from capas.metrics.bleu import translation_metrics
from tests.harness import FIXED

WORDS = {"one": "uno", "two": "dos", "three": "tres", "four": "cuatro", "five": "cinco", "six": "seis"}


def pair(chance: random.Random) -> tuple[str, str]:
    words = chance.choices(list(WORDS), k=chance.randint(1, 4))
    return " ".join(words) + ".", " ".join(WORDS[word] for word in words) + "."


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, chance = tmp_path_factory.mktemp("pairs"), random.Random(2)
    for name, count in (("train", 400), ("val", 40), ("test_2016", 30)):
        pairs = [pair(chance) for _ in range(count)]
        for language, lines in zip(("en", "es"), zip(*pairs, strict=True), strict=True):
            (folder / f"{name}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def config(data: Path, **more: object) -> Config:
    settings = {**FIXED, "network.width": 64, "train.batch_size": 16, "train.epochs": 16, "train.evaluations": 2,
                "optim.learning_rate": 3e-3, "text.vocab_size": 300, "data.source": str(data)}  # fmt: skip
    return Config().merged({**settings, **{name.replace("__", "."): value for name, value in more.items()}})


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "pairs"
    assert train(config(data), out=out) is not None
    return out


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return load_model(run)


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_it_learns_and_says_so(run: Path) -> None:
    metrics, rows = json.loads((run / "metrics.json").read_text()), rows_of(run)
    assert list(metrics["metrics"]) == ["bleu", "chrf2", "exact"]
    assert metrics["metrics"]["bleu"]["value"] > 60 and metrics["metrics"]["bleu"]["unit"] == ""
    assert metrics["metrics"]["exact"]["value"] > 0.4 and "unit" not in metrics["metrics"]["exact"]
    assert metrics["metrics"]["exact"]["value"] == pytest.approx(
        sum(row["reference"] == row["translation"] for row in rows) / len(rows), abs=1e-6
    )
    assert metrics["baseline"]["copy"]["bleu"]["value"] < 20
    found = translation_metrics(
        [row["translation"] for row in rows], [row["reference"] for row in rows], torch.Generator().manual_seed(0)
    )
    assert metrics["metrics"]["bleu"]["value"] == round(found.bleu.value, 4)
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    evaluated = [event for event in events if event["event"] == "evaluated"]
    assert {event["metric"] for event in evaluated} == {"token_accuracy"} and evaluated[-1]["value"] > 0.8
    card = json.loads((run / "bundle" / "card.json").read_text())
    assert card["classes"] == ["en", "es"] and card["task"] == "translate"


def test_the_saved_model_answers_what_was_written_when_it_was_tested(run: Path, model: Model) -> None:
    rows = rows_of(run)
    answers = model.predict([row["source"] for row in rows])
    assert [answer.prediction for answer in answers] == [row["translation"] for row in rows]
    assert all(answer.facts["translation"] == answer.text and answer.facts["log_probability"] < 0 for answer in answers)
    assert json.loads(json.dumps(answers[0].as_json()))["refused"] is None


def test_a_batch_answers_as_its_texts_alone(model: Model) -> None:
    texts = [pair(random.Random(seed))[0] for seed in range(12)]
    together = model.predict(texts)
    for alone, answer in zip(model.predict(texts, batch_size=1), together, strict=True):
        assert alone.prediction == answer.prediction
        assert abs(alone.facts["log_probability"] - answer.facts["log_probability"]) < 1e-3


def test_files_lines_and_quoted_texts_are_asked(model: Model, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two.\n\nthree.\n", encoding="utf-8")
    answering = model.predictor
    (item,) = answering.items([str(tmp_path / "a.txt")], [])
    (answer,) = model.stream([item])
    first, second = model.predict(["one two.", "three."])
    assert answer.prediction == f"{first.prediction}\n\n{second.prediction}"
    assert answer.facts["log_probability"] == pytest.approx(
        first.facts["log_probability"] + second.facts["log_probability"], abs=1e-3
    )
    assert [i.content for i in answering.items(["-", "one two."], ["four\n"])] == ["four", "one two."]


@pytest.mark.parametrize(
    ("content", "key"),
    [("", "text_empty"), (" \n ", "text_empty"), (3, "not_a_text"), (None, "not_a_text"), (["one"], "not_a_text"),
     (Path("none.txt"), "no_such_text"), ("word " * 10_000, "piece_too_long")],
)  # fmt: skip
def test_what_cannot_be_translated_costs_one_refusal(model: Model, content: object, key: str) -> None:
    with pytest.raises(CapasError) as caught:
        model.predictor.preprocess(Item(name="x", content=content))
    assert caught.value.key == key and caught.value.part("next")
    good, bad = model.predict(["one.", content])
    assert good.refused is None and bad.refused and bad.prediction is None


def test_unknown_characters_and_a_long_text_of_sentences_are_translated(model: Model) -> None:
    strange, long = model.predict(["日本 😀 \ud800 ñ", "One. " * 300])
    assert isinstance(strange.prediction, str) and strange.refused is None
    assert str(long.prediction).count(" ") >= 299


def test_resumed_equals_uninterrupted(data: Path, tmp_path: Path) -> None:
    short = config(data, train__epochs=2.0, train__checkpoint_steps=20)
    assert train(short, out=tmp_path / "whole") is not None
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for path in (tmp_path / "cut" / "metrics.json", tmp_path / "cut" / "bundle" / "card.json"):
        path.unlink()
    kept = sorted((tmp_path / "cut" / "checkpoints").glob("step*"))
    assert len(kept) > 1
    for path in (p for p in kept if p.stem == kept[-1].stem):
        path.unlink() if path.is_file() else shutil.rmtree(path)
    assert resume(tmp_path / "cut") is not None
    weights = [(tmp_path / name / "bundle" / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"text.vocab_size": 301, "network.width": 30}, "width_not_for"),
        ({"network.name": "compact"}, "network_not_for"),
    ],
)
def test_what_does_not_fit_is_said_before_training(
    data: Path, tmp_path: Path, change: dict[str, object], key: str
) -> None:
    with pytest.raises(CapasError) as caught:
        train(config(data).merged(change), out=tmp_path / "no")
    assert caught.value.key == key and caught.value.part("what")


def test_a_vocabulary_that_cannot_spell_says_how_much_it_takes(tmp_path: Path) -> None:
    letters = "".join(chr(0x4E00 + i) for i in range(60))
    lines = "\n".join(f"{letter} {letters}" for letter in letters) + "\n"
    for name in ("train.en", "train.es"):
        (tmp_path / name).write_text(lines, encoding="utf-8")
    with pytest.raises(CapasError) as caught:
        train(config(tmp_path), out=tmp_path / "no")
    assert caught.value.key == "vocabulary_too_small" and "321" in caught.value.part("expected")


def test_batches_begin_and_end_as_the_objective_wants() -> None:
    pairs = collate_translation_pairs([[7, 8], [9]], [[5], [5, 6, 7]])
    assert pairs.source.tolist() == [[7, 8, EOS], [9, EOS, PAD]] and pairs.source_lengths.tolist() == [3, 2]
    assert pairs.target.tolist() == [[BOS, 5, EOS, PAD, PAD], [BOS, 5, 6, 7, EOS]]
    assert pairs.target_lengths.tolist() == [3, 5]


def test_a_text_is_divided_only_where_it_must_be() -> None:
    text = "Uno. Dos.\n  Tres"
    assert split_text(text, lambda line: True) == [("", "Uno. Dos."), ("\n  ", "Tres")]
    assert split_text(text, lambda line: len(line) < 6) == [("", "Uno."), (" ", "Dos."), ("\n  ", "Tres")]
    assert split_text(text, lambda line: False)[-1] == ("\n  ", "Tres")


def test_figures_of_known_translations() -> None:
    figures = evaluate_translations(["1", "2"], ["x", "y"], ["a b c d", "e f g h"], ["a b c d", "e f g i"])
    assert figures.metrics["exact"]["value"] == 0.5 and figures.metrics["bleu"]["value"] > 50
    assert figures.baseline["copy"]["exact"]["value"] == 0 and figures.n == 2
    assert figures.rows[2] == ["2", "y", "e f g h", "e f g i"]
