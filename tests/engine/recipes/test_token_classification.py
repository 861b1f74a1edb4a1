"""Sentences with labels: learnt, tested, saved, asked in every way; what cannot be labelled is refused."""

import csv
import json
import random
from pathlib import Path

import pytest
import torch

from capas.cli.use_verbs import as_conll
from capas.core.errors import CapasError
from capas.data.collections import SentenceCollection
from capas.data.inspect.label_scheme_checks import label_scheme_problems
from capas.data.inspect.report import inspect_dataset
from capas.data.text.sentence_splitter import split_sentences, split_words
from capas.data.text.word_features import WordFeatures
from capas.engine.config import Config
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Item
from capas.engine.recipes.token_classification.data import LabelSet
from capas.engine.recipes.token_classification.evaluate import MostFrequentLabelBaseline, evaluate_labels
from capas.engine.recipes.token_classification.items import read_sentence_words
from capas.engine.recipes.token_classification.rendering import render_labels
from capas.engine.train import resume, train
from tests.harness import FIXED

PEOPLE = ["Ana", "Luis Vega", "Eva", "Juan Mora", "Sara", "Pablo Ruiz"]
PLACES = ["Madrid", "La Habana", "Quito", "Nueva York", "Lima"]


def sentence(chance: random.Random) -> list[tuple[str, str]]:
    person, place = chance.choice(PEOPLE).split(), chance.choice(PLACES).split()
    words = [(word, f"{'I' if i else 'B'}-PER") for i, word in enumerate(person)]
    words += [(word, "O") for word in chance.choice(["vive en", "viajó hoy a", "no conoce", "llega a"]).split()]
    words += [(word, f"{'I' if i else 'B'}-LOC") for i, word in enumerate(place)]
    return [*words, ("con", "O"), (f"{chance.randrange(1000)}", "O"), (".", "O")]


def columns(sentences: list[list[tuple[str, str]]]) -> str:
    return "\n".join("".join(f"{word} X {label}\n" for word, label in rows) for rows in sentences)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, chance = tmp_path_factory.mktemp("words"), random.Random(1)
    for name, count in (("a.train", 150), ("a.testa", 30), ("a.testb", 40)):
        (folder / name).write_text(columns([sentence(chance) for _ in range(count)]), encoding="utf-8")
    return folder


def config(data: Path, **more: object) -> Config:
    settings = {**FIXED, "network.width": 16, "train.batch_size": 8, "train.epochs": 6, "train.evaluations": 2}
    settings |= {"data.source": str(data)}
    return Config().merged({**settings, **{name.replace("__", "."): value for name, value in more.items()}})


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "words"
    assert train(config(data), out=out) is not None
    return out


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return load_model(run)


def test_it_learns_and_says_so(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    names = ["entity_f1", "entity_precision", "entity_recall", "token_accuracy"]
    assert list(metrics["metrics"]) == names and metrics["metrics"]["entity_f1"]["value"] > 0.95
    low, high = metrics["metrics"]["entity_f1"]["interval"]
    assert 0.8 < low <= high <= 1
    baseline = metrics["baseline"]["most_frequent_label"]
    assert set(baseline) == {"entity_f1", "token_accuracy"} and baseline["entity_f1"] > 0.5
    assert set(metrics["per_class"]) == {"LOC", "PER"}
    assert metrics["per_class"]["LOC"]["recall"]["n"] == 40
    evaluated = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert {event["metric"] for event in evaluated if event["event"] == "evaluated"} == {"entity_f1"}
    assert json.loads((run / "bundle" / "answers.json").read_text())["labels"] == [
        "O", "B-LOC", "I-LOC", "B-PER", "I-PER"]  # fmt: skip


def test_the_saved_model_answers_what_was_written_when_it_was_tested(run: Path, model: Model) -> None:
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 40 and rows[0]["example"].startswith("a.testb:")
    answers = model.predict([row["words"].split() for row in rows])
    assert [" ".join(answer.facts["labels"]) for answer in answers] == [row["predicted"] for row in rows]
    right = sum(row["labels"] == row["predicted"] for row in rows)
    assert right > 30


def test_a_batch_answers_as_its_sentences_alone(model: Model) -> None:
    shown = [[word for word, _ in sentence(random.Random(seed))] for seed in range(20)]
    shown.append(shown[0] * 30)
    together = model.predict(shown)
    for alone, answer in zip(model.predict(shown, batch_size=1), together, strict=True):
        assert alone.facts["labels"] == answer.facts["labels"]
        for one, other in zip(alone.facts["entities"], answer.facts["entities"], strict=True):
            assert abs(one["probability"] - other["probability"]) < 1e-5


def test_spans_have_text_kind_place_and_probability(model: Model) -> None:
    (answer,) = model.predict(["Pablo Ruiz vive en La Habana con 77."])
    found = answer.facts["entities"]
    assert [(e["text"], e["kind"], e["start"], e["end"]) for e in found] == [
        ("Pablo Ruiz", "PER", 0, 2), ("La Habana", "LOC", 4, 6)]  # fmt: skip
    assert all(0.2 < e["probability"] <= 1 for e in found)
    assert answer.text == "[Pablo Ruiz PER] vive en [La Habana LOC] con 77 ."
    tree = json.loads(json.dumps(answer.as_json()))
    assert tree["words"][4:6] == ["La", "Habana"] and tree["refused"] is None and tree["prediction"] == tree["labels"]


def test_columns_files_texts_and_lines_are_asked_sentence_by_sentence(model: Model, data: Path, tmp_path: Path) -> None:
    (tmp_path / "notas.txt").write_text(
        "Ana vive en Quito.\nEva no conoce Lima. ¿Y Luis Vega?\n\nNadie", encoding="utf-8"
    )
    answering = model.predictor

    def read(words: list[str], lines: list[str] | None = None) -> list[str]:
        items = answering.items(words, lines or [])
        return [" ".join(word for part in read_sentence_words(item) for word in part) for item in items]

    texts = ["Ana vive en Quito .", "Eva no conoce Lima .", "¿ Y Luis Vega ?", "Nadie"]
    assert read([str(tmp_path / "notas.txt")]) == texts == read([str(tmp_path)])
    assert (
        read(["Ana vive en Quito. Eva no conoce Lima."])
        == texts[:2]
        == read(["-"], ["Ana vive en Quito. Eva no conoce Lima.\n"])
    )
    given = list(answering.items([str(data / "a.testb")], []))
    assert len(given) == 40 and given[1].name.startswith("a.testb:")
    written = as_conll(list(model.stream(given)))
    assert [line.split()[0] for line in written.splitlines() if line] == [
        line.split()[0] for line in (data / "a.testb").read_text(encoding="utf-8").splitlines() if line]  # fmt: skip
    assert written.count("\n\n") == 39
    with pytest.raises(CapasError) as caught:
        read(["nadie.txt"])
    assert caught.value.key == "no_such_text"


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("", "sentence_empty"), (" \n ", "sentence_empty"), ([], "sentence_empty"), (["Ana", "  "], "word_blank"),
        (["Ana", ""], "word_blank"), (["La Habana"], "word_blank"), (3, "not_words"), (None, "not_words"),
        ([1, 2], "not_words"), ({"a": 1}, "not_words"), (Path("none.txt"), "no_such_text"),
    ],
)  # fmt: skip
def test_what_has_no_words_costs_one_refusal(model: Model, content: object, key: str) -> None:
    with pytest.raises(CapasError) as caught:
        read_sentence_words(Item(name="x", content=content))
    assert caught.value.key == key and caught.value.part("next")
    good, bad = model.predict([["Ana"], content])
    assert good.refused is None and bad.refused and bad.prediction is None
    assert as_conll([good, bad]) == f"Ana {good.facts['labels'][0]}\n"


def test_strange_characters_and_ten_thousand_words_are_labelled(model: Model) -> None:
    strange, long = model.predict([["日本", "😀", "\ud800", "x" * 5000], ["Ana", "vive", "en", "Lima"] * 2500])
    assert len(strange.facts["labels"]) == 4
    assert len(long.facts["labels"]) == 10_000
    assert sum(label == "B-PER" for label in long.facts["labels"]) >= 20  # at least where a piece begins


def test_resumed_equals_uninterrupted(data: Path, tmp_path: Path, run: Path) -> None:
    """Stopped by its own checkpoint: a copy of the run that lacks its end goes on to the same weights."""
    import shutil

    short = config(data, train__epochs=2.0, train__checkpoint_steps=20)
    assert train(short, out=tmp_path / "whole") is not None
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for path in (tmp_path / "cut" / "metrics.json", tmp_path / "cut" / "bundle" / "card.json"):
        path.unlink()
    kept = sorted((tmp_path / "cut" / "checkpoints").glob("step*"))
    assert len(kept) > 1
    for path in (p for p in kept if p.stem == kept[-1].stem):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert resume(tmp_path / "cut") is not None
    weights = [(tmp_path / name / "bundle" / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]


def test_other_schemes_are_read_as_the_same_entities() -> None:
    labels = LabelSet.from_data(["O", "I-PER", "B-PER", "E-LOC", "U-LOC"])
    assert labels.labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER") and labels.spans
    assert labels.to_scheme(["I-PER", "I-PER", "B-PER", "O"]) == ["B-PER", "I-PER", "B-PER", "O"]
    assert labels.to_scheme(["U-LOC", "U-LOC", "B-PER", "L-PER"]) == ["B-LOC", "B-LOC", "B-PER", "I-PER"]
    assert labels.to_scheme(["S-LOC", "S-LOC", "B-PER", "E-PER"]) == ["B-LOC", "B-LOC", "B-PER", "I-PER"]


@pytest.mark.parametrize(
    ("labels", "count"),
    [("B-PER I-PER O I-LOC B-LOC I-PER", 2), ("I-PER I-PER O I-LOC B-LOC", 0), ("B-PER O", 0), ("NOUN VERB", 0)],
)
def test_ill_formed_labels_are_found_before_training(labels: str, count: int) -> None:
    targets = SentenceCollection([["O"], labels.split()], ["a:1", "a:3"])
    problems = label_scheme_problems(targets)
    assert [(p.kind, p.count, p.examples) for p in problems] == ([("labels_differ", count, ("a:3",))] if count else [])
    assert label_scheme_problems(None) == ()


def test_look_tells_of_them(tmp_path: Path) -> None:
    rows = [[("Ana", "B-PER"), ("Mora", "I-PER"), ("come", "O")], [("Eva", "I-PER"), ("sale", "O")]] * 3
    (tmp_path / "a.conll").write_text(columns([[(f"{w}{n}", label) for w, label in row] for n, row in enumerate(rows)]))
    assert {p.kind: p.count for p in inspect_dataset(tmp_path).problems}["labels_differ"] == 3


def test_labels_that_stand_for_themselves_are_counted_word_by_word() -> None:
    labels = LabelSet.from_data(["VERB", "NOUN", "O"])
    assert not labels.spans and labels.labels == ("NOUN", "O", "VERB")
    truth, found = [["NOUN", "VERB"], ["NOUN"]], [["NOUN", "NOUN"], ["NOUN"]]
    common = MostFrequentLabelBaseline([["a", "b"], ["a"]], [["NOUN", "VERB"], ["NOUN"]], labels)
    assert common.predict(["b", "a", "c"]) == ["VERB", "NOUN", "NOUN"]
    figures = evaluate_labels(["1", "2"], [["a", "b"], ["a"]], truth, found, labels, common)
    assert list(figures.metrics) == ["token_accuracy"] and figures.metrics["token_accuracy"]["value"] == round(2 / 3, 6)
    assert figures.per_class["VERB"]["recall"]["value"] == 0 and figures.per_class["NOUN"]["precision"]["n"] == 3
    assert figures.baseline["most_frequent_label"]["token_accuracy"] == 1 and not figures.beats_baselines()
    assert render_labels(["a", "b"], ["NOUN", "VERB"], spans=False) == "a/NOUN b/VERB"


def test_no_answer_is_ill_formed(model: Model) -> None:
    """Also where the network has learnt nothing: the rules are in the search."""
    network = model.predictor.network
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=2.0)
    answers = model.predict([["Ana", "b", "c", "Lima"] * 10, ["x"], ["y", "z"]])
    network.load_state_dict(kept)
    for answer in answers:
        for before, here in zip(["O", *answer.facts["labels"]], answer.facts["labels"], strict=False):
            assert not here.startswith("I-") or before[2:] == here[2:]


def test_word_features_know_case_digits_and_ends_and_come_back_from_json() -> None:
    code = WordFeatures.fit([["Casa", "1998"], ["casa", "2001"], ["CASAS", "1234"]])
    assert code.words == ("0000", "casa", "casas") and code.counts == (3, 2, 1)
    one, again = (
        code.encode([["CASA", "1776", "perro"], ["casas"]]),
        WordFeatures.from_json(json.loads(json.dumps(code.as_json()))),
    )
    assert one.words.tolist() == [[3, 2, 1], [4, 0, 0]] and one.lengths.tolist() == [3, 1]
    assert one.characters.shape == (2, 3, 5) and int(one.characters[1, 1].sum()) == 0
    for name in ("words", "characters", "features"):
        assert torch.equal(getattr(one, name), getattr(again.encode([["CASA", "1776", "perro"], ["casas"]]), name))
    assert code.word_counts().tolist()[2:] == [3, 2, 1]
    for wrong in ({}, {**code.as_json(), "words": [1]}, {**code.as_json(), "features": [[]]}):
        with pytest.raises(ValueError):
            WordFeatures.from_json(wrong)
    with pytest.raises(ValueError):
        code.encode([["a"], []])


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []), (" \n\n ", []), ("Uno. Dos", ["Uno.", "Dos"]), ("Vive en EE.UU. y calla", ["Vive en EE.UU. y calla"]),
        ("Cuesta 3.5 euros. ¡Caro!", ["Cuesta 3.5 euros.", "¡Caro!"]),
        ("Dr. Pi habla", ["Dr. Pi habla"]), ("Y J. Pi calla", ["Y J. Pi calla"]),
        ("una línea\nsigue", ["una línea sigue"]), ("Título\n\nTexto", ["Título", "Texto"]),
    ],
)  # fmt: skip
def test_sentences_end_where_they_should(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_words_keep_every_sign_but_blanks() -> None:
    text = "«¿Qué?», dijo el vice-presidente de l'Alfàs; 12.000,5 €…"
    assert "".join(split_words(text)) == "".join(text.split())
    assert "vice-presidente" in split_words(text) and "12.000,5" in split_words(text)
