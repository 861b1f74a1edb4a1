"""A model in use: the same answer alone or in a batch, before or after saving, from a file or an array."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import capas
from capas.bundle.card import Card, FieldCard
from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.data.inspect.report import inspect_dataset
from capas.data.sources.samples import open_sample
from capas.engine.dataset_record import read_dataset_record
from capas.engine.evaluate import evaluate_on
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Item, Prediction
from capas.engine.run import find_run
from tests.data.drawing import class_folders


@pytest.fixture(scope="module")
def model(finished_run: Path) -> Model:
    return load_model(finished_run)


def pictures(n: int) -> list[np.ndarray]:
    sample = open_sample("shapes")
    return [sample.images.decode(i) for i in range(0, 600, 600 // n)]


def test_a_batch_answers_as_its_pictures_alone(model: Model) -> None:
    shown = pictures(12)
    together = model.predict(shown)
    for size in (1, 5):
        for one, other in zip(together, model.predict(shown, batch_size=size), strict=True):
            assert (one.input, one.prediction) == (other.input, other.prediction)
            assert max(abs(one.probabilities[c] - other.probabilities[c]) for c in model.classes) <= 1e-5


def test_the_saved_model_answers_what_was_written_when_it_was_tested(model: Model, finished_run: Path) -> None:
    """predictions.csv was made by the network in memory, these answers by the one that was read back."""
    record, sample = read_dataset_record(find_run(finished_run)), open_sample("shapes")
    names = {sample.images.name(i): i for i in range(len(sample.images))}
    with (finished_run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["example"] for row in rows] == [record.names[i] for i in record.positions("test")]
    answers = model.predict([sample.images.decode(names[row["example"]]) for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        assert row["prediction"] == answer.prediction and row["class"] == sample.labels[names[row["example"]]]
        for name in model.classes:
            assert abs(float(row[f"p({name})"]) - answer.probabilities[name]) <= 1e-5
    right = sum(row["prediction"] == row["class"] for row in rows)
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert metrics["metrics"]["accuracy"]["value"] == round(right / len(rows), 6)


def test_weights_are_those_that_the_card_names(model: Model, finished_run: Path) -> None:
    content = (finished_run / "bundle" / "model.safetensors").read_bytes()
    assert model.card.weights.hash == content_hash(content) and model.card.weights.bytes == len(content)
    network = model.predictor.network
    assert not network.training
    assert sum(p.numel() for p in network.parameters()) == model.card.network.parameters


def test_a_file_answers_as_its_pixels(model: Model, tmp_path: Path) -> None:
    shown = pictures(3)[1]
    Image.fromarray(shown).save(tmp_path / "ñ 1.png")
    from_file, from_array = model.predict([tmp_path / "ñ 1.png", shown])
    assert from_file.probabilities == from_array.probabilities
    assert from_file.input == str(tmp_path / "ñ 1.png") and from_array.input == "array 1"
    assert from_file.probability == max(from_file.probabilities.values())
    assert sum(from_file.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_grey_pictures_and_other_sizes_are_answered(model: Model) -> None:
    answers = model.predict(
        [np.zeros((20, 50), np.uint8), np.zeros((300, 10, 1), np.uint8), np.zeros((1, 1, 3), np.uint8)]
    )
    assert all(answer.prediction for answer in answers)


def test_a_bad_picture_costs_one_refusal(model: Model, tmp_path: Path) -> None:
    Image.fromarray(pictures(1)[0]).save(tmp_path / "good.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not a picture")
    names = ["good.png", "empty.png", "text.png", "missing.png", "good.png"]
    answers = model.predict([tmp_path / name for name in names], batch_size=2)
    assert [answer.refused is None for answer in answers] == [True, False, False, False, True]
    assert answers[0].probabilities == pytest.approx(answers[4].probabilities, abs=1e-6)
    for answer in answers[1:4]:
        assert (answer.prediction, answer.probability, answer.probabilities) == (None, None, {}) and answer.refused
    assert model.predict([tmp_path / "empty.png"])[0].refused == "This file is empty (0 bytes)"
    assert model.predict([]) == []


@pytest.mark.parametrize(
    "overflown", [{"probability": float("nan")}, {"probabilities": {"a": float("nan")}}, {"prediction": float("inf")},
                  {"facts": {"entities": [{"probability": float("nan")}]}}],
)  # fmt: skip
def test_an_answer_that_is_no_number_is_refused(
    overflown: dict[str, object], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = replace(Prediction(input="it", prediction="circle", probability=0.9), **overflown)
    good = Prediction(input="other", prediction="circle", probability=0.9)
    monkeypatch.setattr(model.predictor, "predict", lambda names, prepared: [bad, good])
    answers = model.predict(pictures(2))
    assert answers[0].prediction is None and answers[0].refused and answers[0].input == "it"
    assert answers[1] == good


def test_answers_stream_without_reading_ahead(model: Model) -> None:
    asked: list[int] = []

    def source() -> Iterator[Item]:
        for number, picture in enumerate(pictures(10)):
            asked.append(number)
            yield model.predictor.item(picture, number)

    stream = model.stream(source(), batch_size=3)
    next(stream)
    assert asked == [0, 1, 2]


def test_json_has_the_most_probable_first(model: Model) -> None:
    shown = model.predict(pictures(1))[0].as_json(top=2)
    assert list(shown) == ["input", "prediction", "probability", "probabilities", "refused"]
    probabilities = shown["probabilities"]
    assert isinstance(probabilities, dict) and len(probabilities) == 2
    assert list(probabilities.values()) == sorted(probabilities.values(), reverse=True)
    assert next(iter(probabilities)) == shown["prediction"]


def test_inputs_are_files_folders_lists_and_samples(model: Model, tmp_path: Path) -> None:
    for name in ("b/2.png", "b/10.png", "a.png", "b/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if name.endswith("png"):
            Image.new("L", (4, 4)).save(path)
        else:
            path.write_text("")

    def items(words: list[str], lines: Sequence[str] = ()) -> list[Item]:
        return list(model.predictor.items(words, lines))

    folder = [item.content for item in items([str(tmp_path)])]
    assert sorted(map(str, folder)) == sorted(str(tmp_path / n) for n in ("a.png", "b/2.png", "b/10.png"))
    listed = items(["-"], ["x.png\n", "\n", "  ", "y z.png\r\n"])
    assert [(item.name, item.content) for item in listed] == [(n, Path(n)) for n in ("x.png", "y z.png")]
    assert len(items(["sample:shapes"])) == 120
    with pytest.raises(CapasError) as caught:
        items([str(tmp_path / "a.png"), str(tmp_path / "none.png")])
    assert caught.value.key == "no_such_picture" and "none.png" in caught.value.where


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.float32), np.zeros(4, np.uint8), 3, None, {"a": 1.0}])
def test_what_is_no_picture_costs_one_refusal_too(model: Model, wrong: object) -> None:
    good, bad = model.predict([pictures(1)[0], wrong])
    assert good.prediction and good.refused is None
    assert bad.prediction is None and bad.input == "array 1" and bad.refused


def test_a_model_is_found_by_run_bundle_or_latest(finished_run: Path, tmp_path: Path) -> None:
    shown = pictures(1)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "one").symlink_to(finished_run)
    answers = [capas.load(where).predict(shown) for where in (finished_run, finished_run / "bundle", "latest")]
    assert answers[0] == answers[1] == answers[2]


def test_a_model_without_such_a_form_is_not_exported(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(prepared: object) -> None:
        raise CapasError("export_not_possible", received="translate (text)", reason="why")

    monkeypatch.setattr(model.predictor, "exportable", refuse)
    with pytest.raises(CapasError) as caught:
        model.export(tmp_path / "m.onnx")
    assert caught.value.key == "export_not_possible" and not list(tmp_path.iterdir())


def test_a_model_of_texts_reads_the_rows_of_a_table(model: Model, tmp_path: Path) -> None:
    field = FieldCard.model_construct(name="Review")
    reader = Model.__new__(Model)
    reader.bundle = SimpleNamespace(card=Card.model_construct(medium="text", inputs=[field]))  # type: ignore[assignment]
    reader.predictor = model.predictor
    (tmp_path / "new.csv").write_text('id,review\n1,"good, really"\n2,\n3,bad\n')
    (tmp_path / "one.csv").write_text("something\ngood film\nbad film\n")
    (tmp_path / "other.csv").write_text("id,title\n1,x\n2,y\n")
    found = list(reader.items([str(tmp_path / "new.csv")], []))
    assert [(item.name, item.content) for item in found] == [
        ("new.csv#1", "good, really"), ("new.csv#2", ""), ("new.csv#3", "bad"),
    ]  # fmt: skip
    assert [item.content for item in reader.items([str(tmp_path / "one.csv")], [])] == ["good film", "bad film"]
    with pytest.raises(CapasError) as caught:
        list(reader.items([str(tmp_path / "other.csv")], []))
    assert caught.value.key == "no_such_column" and "Review" in str(caught.value)


def test_a_test_on_one_class_is_refused(model: Model, finished_run: Path, tmp_path: Path) -> None:
    class_folders(tmp_path / "d", seed=900, **{model.classes[0]: 4})
    with pytest.raises(CapasError) as caught:
        evaluate_on(finished_run, str(tmp_path / "d"))
    assert caught.value.key == "one_class_tested"


def test_a_folder_that_is_only_a_test_split_is_tested(model: Model, finished_run: Path, tmp_path: Path) -> None:
    class_folders(tmp_path / "d" / "test", seed=900, **dict.fromkeys(model.classes[:2], 4))
    found = evaluate_on(finished_run, str(tmp_path / "d"))
    accuracy = found["metrics"]["accuracy"]  # type: ignore[index]
    assert accuracy["n"] == 8
    with pytest.raises(CapasError) as caught:
        inspect_dataset(tmp_path / "d")
    assert caught.value.key == "no_train_split"
