"""Every input with every kind of answer: trained, tested, saved, read back, used; and the same again when resumed."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import capas
from capas.core.errors import CapasError
from capas.core.spec import LEARNABLE
from capas.engine.recipes import RECIPES
from capas.engine.train import TrainingCallbacks
from tests.engine.made_problems import brightness_table, rows_table, sound, sound_folders, texts_table

STILL: Mapping[str, object] = {
    "execution.precision": "float32", "execution.memory_format": "contiguous", "execution.threads": 1,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What to train on, and what must come of it: the headline figure beyond ``least`` (or below ``most``)."""

    data: str
    target: str
    headline: str
    least: float | None = None
    most: float | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


PROBLEMS = {
    "rows-class": Problem(data="rows.csv", target="kind", headline="accuracy", least=0.8,
                          settings={"train.epochs": 25}),
    "rows-tags": Problem(data="rows.csv", target="marks", headline="micro_f1", least=0.8,
                         settings={"train.epochs": 25}),
    "rows-number": Problem(data="rows.csv", target="price_eur", headline="mae", most=14.0,
                           settings={"train.epochs": 40}),
    "texts-class": Problem(data="texts.csv", target="about", headline="accuracy", least=0.8,
                           settings={"network.name": "text-linear", "train.epochs": 20}),
    "texts-tags": Problem(data="texts.csv", target="topics", headline="micro_f1", least=0.85,
                          settings={"network.name": "text-linear", "train.epochs": 30}),
    "texts-read": Problem(data="texts.csv", target="about", headline="accuracy", least=0.8,
                          settings={"network.name": "text-bag", "train.epochs": 30}),
    "sounds-class": Problem(data="sounds", target="class", headline="accuracy", least=0.9,
                            settings={"train.epochs": 8, "network.width": 8}),
    "pictures-tags": Problem(data="bright", target="seen", headline="micro_f1", least=0.6,
                             settings={"train.epochs": 6, "network.width": 8}),
    "pictures-numbers": Problem(data="bright", target="brightness,redness", headline="mae_brightness", most=14.0,
                                settings={"train.epochs": 8, "network.width": 8}),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    rows_table(folder / "rows.csv")
    texts_table(folder / "texts.csv")
    sound_folders(folder / "sounds")
    brightness_table(folder / "bright")
    return folder


@pytest.fixture(scope="module")
def runs(made: Path) -> dict[str, Path]:
    """Runs by problem, trained when first asked for."""
    return {}


def run_of(name: str, made: Path, runs: dict[str, Path]) -> Path:
    if name not in runs:
        problem, out = PROBLEMS[name], made / f"run-{name}"
        settings = {**STILL, **problem.settings, "data.target": problem.target}
        assert capas.train(made / problem.data, out=out, settings=settings) is not None
        runs[name] = out
    return runs[name]


def test_every_learnable_pair_has_a_recipe_and_every_recipe_can_be_asked_for() -> None:
    assert set(RECIPES) == set(LEARNABLE)


@pytest.mark.parametrize("name", PROBLEMS)
def test_it_learns_what_there_is_to_learn(name: str, made: Path, runs: dict[str, Path]) -> None:
    problem = PROBLEMS[name]
    figures = capas.test(run_of(name, made, runs))
    assert next(iter(figures["metrics"])) == problem.headline
    headline = figures["metrics"][problem.headline]
    assert headline["interval"][0] <= headline["value"] <= headline["interval"][1] and headline["n"] > 5
    assert problem.least is None or headline["value"] >= problem.least
    assert problem.most is None or headline["value"] <= problem.most
    assert figures["baseline"] and all(problem.headline in held for held in figures["baseline"].values())


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_saved_model_answers_what_was_written_when_it_was_tested(
    name: str, made: Path, runs: dict[str, Path]
) -> None:
    run = run_of(name, made, runs)
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        written = list(csv.DictReader(stream))
    model = capas.load(run)
    inputs = [inputs_of(PROBLEMS[name], row["example"], made) for row in written[:8]]
    together, alone = model.predict(inputs), [model.predict([one])[0] for one in inputs]
    for row, one, other in zip(written, together, alone, strict=False):
        assert one.refused is None and one.prediction == pytest.approx(other.prediction, abs=1e-4)
        if one.probabilities:
            assert all(abs(float(row[f"p({c})"]) - p) < 1e-4 for c, p in one.probabilities.items())
        else:
            values = one.prediction if isinstance(one.prediction, dict) else {PROBLEMS[name].target: one.prediction}
            for column, value in values.items():
                assert float(row[f"predicted {column}"]) == pytest.approx(value, rel=1e-4, abs=1e-3)


def inputs_of(problem: Problem, example: str, made: Path) -> object:
    if problem.data == "bright":  # a picture with the columns beside it
        with (made / problem.data / "table.csv").open(encoding="utf-8", newline="") as stream:
            (beside,) = (row for row in csv.DictReader(stream) if row["file"] == example)
        return {**beside, "file": made / problem.data / example}
    if not problem.data.endswith(".csv"):
        return made / problem.data / example
    with (made / problem.data).open(encoding="utf-8", newline="") as stream:
        row = list(csv.DictReader(stream))[int(example.removeprefix("#")) - 1]
    return row.get("sentence", row)


@pytest.mark.parametrize("name", ["rows-number", "texts-tags", "sounds-class"])
def test_a_stopped_run_goes_on_to_the_same_weights(
    name: str, made: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    """The checkpoint of the middle is taken up as if the process had been killed there."""
    run, problem = run_of(name, made, runs), PROBLEMS[name]
    out = tmp_path / "again"
    settings = {**STILL, **problem.settings, "data.target": problem.target, "train.checkpoint_steps": 7}
    stopping = TrainingCallbacks(event=lambda event: stop_at(event, 20))
    with pytest.raises(Stop):
        capas.train(made / problem.data, out=out, settings=settings, watch=stopping)
    assert capas.resume(out) is not None
    ours, theirs = (load_file(folder / "bundle" / "model.safetensors") for folder in (out, run))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert json.loads((out / "metrics.json").read_text()) == json.loads((run / "metrics.json").read_text())


class Stop(Exception):
    """In place of a kill."""


def stop_at(event: object, step: int) -> None:
    if getattr(event, "step", 0) >= step and type(event).__name__ == "Saved":
        raise Stop


def test_intervals_of_numbers_hold_most_of_the_truths(made: Path, runs: dict[str, Path]) -> None:
    run = run_of("rows-number", made, runs)
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    held = [float(r["lower price_eur"]) <= float(r["price_eur"]) <= float(r["upper price_eur"]) for r in rows]
    coverage = capas.test(run)["metrics"]["coverage"]
    assert coverage["value"] == pytest.approx(sum(held) / len(held)) and sum(held) / len(held) > 0.6
    answer = capas.load(run).predict([{"weight (kg)": 50, "colour": "red"}])[0].as_json()
    assert answer["unit"] == "€" and answer["interval"][0] < answer["value"] < answer["interval"][1]


def test_tags_are_those_that_reach_their_own_threshold(made: Path, runs: dict[str, Path]) -> None:
    run = run_of("texts-tags", made, runs)
    thresholds = json.loads((run / "bundle" / "answers.json").read_text())["thresholds"]
    model = capas.load(run)
    answers = model.predict(["the boat and the wave", "the wheat and the barn", "boat wheat wave barn sail soil"])
    assert [a.prediction for a in answers] == [["sea"], ["field"], ["field", "sea"]]
    for answer in answers:
        called = [tag for tag, t in zip(model.classes, thresholds, strict=True) if answer.probabilities[tag] >= t]
        assert answer.prediction == called


def test_what_cannot_be_answered_is_refused_and_costs_nothing_else(
    made: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    rows = capas.load(run_of("rows-class", made, runs))
    good = {"weight (kg)": "70", "colour": "red"}
    answers = rows.predict([good, {}, {"other": 1}, "text", {"weight (kg)": "much"}, {"colour": "violet"}])
    assert [a.refused is None for a in answers] == [True, False, False, False, False, True]
    assert "weight (kg)" in str(CapasError("row_without_inputs", where="x", received="", known="weight (kg)"))
    texts = capas.load(run_of("texts-class", made, runs))
    (tmp_path / "latin.txt").write_bytes("año".encode("latin-1"))  # read as Windows-1252
    answers = texts.predict(["a boat", "  ", 3, tmp_path / "none.txt", tmp_path / "latin.txt", "qwxz " * 5000])
    assert [a.refused is None for a in answers] == [True, False, False, False, True, True]
    sounds = capas.load(run_of("sounds-class", made, runs))
    (tmp_path / "broken.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    short = sound(tmp_path / "short.wav", 300, seconds=0.01)
    long = sound(tmp_path / "long.wav", 1700, seconds=3, rate=16000)
    answers = sounds.predict([short, long, tmp_path / "broken.wav", 7, np.zeros(800, np.float32)])
    assert [a.refused is None for a in answers] == [True, True, False, False, True]
    assert answers[1].prediction == "high"


def test_a_model_is_tested_on_other_data_of_its_kind_and_refuses_another(
    made: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    run = run_of("sounds-class", made, runs)
    other = tmp_path / "other"
    for i, (name, frequency) in enumerate([("low", 230.0), ("low", 260.0), ("high", 1600.0), ("high", 1400.0)]):
        sound(other / name / f"{i}.wav", frequency, seed=100 + i)
    assert capas.test(run, data=other)["metrics"]["accuracy"]["n"] == 4
    with pytest.raises(CapasError) as caught:
        capas.test(run, data=made / "texts.csv")
    assert caught.value.key == "other_kind_of_data"
    tested = capas.test(run, data=made / "sounds")
    assert tested["metrics"]["accuracy"]["n"] + tested["left_out"] == 48 and tested["left_out"] > 30


def test_a_network_of_another_kind_is_refused_by_name(made: Path) -> None:
    for data, network in (("rows.csv", "lenet-5"), ("texts.csv", "compact"), ("sounds", "text-cnn")):
        with pytest.raises(CapasError) as caught:
            capas.plan(made / data, settings={"network.name": network})
        assert caught.value.key == "network_not_for" and caught.value.received == network
