"""The same or not: from a folder of identities to a model that compares examples of identities never seen."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import capas
from capas.bundle.read import read_bundle
from capas.core.errors import CapasError
from capas.engine.config import VerificationMethodName
from capas.engine.dataset_record import read_dataset_record
from capas.engine.encoders.encoder import encode_contents
from capas.engine.events import Evaluated, read_events
from capas.engine.recipes.verification.answers import VerificationAnswers, error_table
from capas.engine.recipes.verification.methods import METHODS
from capas.engine.recipes.verification.pairs import choose_examples, choose_pairs, has_both_kinds
from capas.engine.run import Run
from capas.metrics.verification import ScoredPairs, error_curve, rates_at
from capas.representation.encoders import open_encoder
from capas.representation.verify import OperatingPoint, open_verifier, read_pairs
from tests.engine.recipes.verification.made import write_signs

SMALL = {"data.task": "verify", "network.width": 8, "train.batch_size": 16, "train.epochs": 1,
         "execution.threads": 1, "execution.precision": "float32", "execution.memory_format": "contiguous",
         "trust.report": "none"}  # fmt: skip


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_signs(tmp_path_factory.mktemp("signs"))


@pytest.fixture(scope="module")
def run(signs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "signs"
    capas.train(signs / "signs.csv", out=folder, settings={**SMALL, "train.epochs": 8, "data.target": "sign"})
    return folder


def figures_of(run: Path) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    return cast(Mapping[str, Mapping[str, Mapping[str, float]]], json.loads((run / "metrics.json").read_text()))


def test_every_method_of_the_configuration_has_its_row() -> None:
    assert set(get_args(VerificationMethodName)) == set(METHODS)


def test_identities_are_apart_and_pairs_are_of_the_test_split(run: Path) -> None:
    record = read_dataset_record(Run(folder=run))
    held: dict[str, set[object]] = {}
    for label, split in zip(record.labels, record.splits, strict=True):
        held.setdefault(split, set()).add(label)
    assert not held["train"] & held["test"] and not held["train"] & held["validation"]
    assert not held["validation"] & held["test"] and len(held["test"]) == 5
    tested = {name for name, split in zip(record.names, record.splits, strict=True) if split == "test"}
    with (run / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["first"] for row in rows} | {row["second"] for row in rows} == tested
    assert all((row["same"] == "true") == (row["first"].split("/")[0] == row["second"].split("/")[0]) for row in rows)
    genuine = sum(row["same"] == "true" for row in rows)
    assert figures_of(run)["pairs"] == {"n_genuine": genuine, "n_impostor": len(rows) - genuine, "identities": 5}


def test_figures_stand_beside_baselines_with_intervals(run: Path) -> None:
    figures = figures_of(run)
    assert list(figures["metrics"]) == ["eer", "auc", "tar_at_far_1", "expected_calibration_error"]
    for metric in figures["metrics"].values():
        low, high = cast(list[float], metric["interval"])
        assert low <= metric["value"] <= high
    assert set(figures["baseline"]) == set(figures["gains"]) == {"pixels", "untrained"}
    assert figures["metrics"]["eer"]["value"] < figures["baseline"]["untrained"]["eer"]["value"]  # type: ignore[index,call-overload]
    curve = cast(Mapping[str, list[float]], figures["verification"]["curve"])
    assert curve["false_match"] == sorted(curve["false_match"], reverse=True)
    assert curve["false_non_match"] == sorted(curve["false_non_match"])


def test_errors_are_told_by_group_where_there_are_enough(run: Path) -> None:
    groups = cast(Mapping[str, Mapping[str, Mapping[str, object]]], figures_of(run)["per_group"])
    assert set(groups) == {"scanner"} and set(groups["scanner"]) == {"left", "right"}
    for group in groups["scanner"].values():
        assert group["too_few"] is True and "false_match" not in group


def test_weights_are_chosen_by_validation_and_probabilities_fitted_to_it(run: Path) -> None:
    scores = [event for event in read_events(run / "events.jsonl") if isinstance(event, Evaluated)]
    assert all(score.metric == "eer" and 0 <= score.value <= 1 for score in scores)
    best = [score.loss for score in scores if score.best]
    assert best == sorted(best, reverse=True) and best[-1] == min(score.loss for score in scores)
    answers = VerificationAnswers.from_json(read_bundle(run / "bundle").file("answers.json"))
    assert answers.calibrated_on.split == "validation" and answers.calibrated_on.identities == 5
    assert answers.calibration.slope > 0
    assert VerificationAnswers.from_json(json.loads(json.dumps(answers.as_json()))) == answers


def test_the_card_names_nobody_and_asks_for_consent(run: Path) -> None:
    card = read_bundle(run / "bundle").card
    assert card.classes == [] and "sign03" not in (run / "bundle" / "card.json").read_text()
    assert any("consent" in limit and "GDPR" in limit for limit in card.limits)
    assert "pairs of examples" in (run / "bundle" / "README.md").read_text()


def test_two_files_pairs_and_a_folder_are_compared(run: Path, signs: Path, tmp_path: Path) -> None:
    verifier = open_verifier(run)
    same = verifier.compare(signs / "sign00" / "0.png", signs / "sign00" / "1.png")
    other = verifier.compare(signs / "sign00" / "0.png", signs / "sign05" / "0.png")
    assert same.probability > other.probability and same.cosine > other.cosine
    assert same.same == (same.cosine >= verifier.threshold) == (same.probability >= 0.5)
    itself = verifier.compare(signs / "sign00" / "0.png", np.asarray(Image.open(signs / "sign00" / "0.png")))
    assert itself.cosine == pytest.approx(1.0)
    (tmp_path / "p.csv").write_text(f"first,second\n{signs}/sign00/0.png,{signs}/sign00/1.png\n"
                                    f"{signs}/sign00/0.png,missing.png\n")  # fmt: skip
    many = verifier.compare_pairs(read_pairs(tmp_path / "p.csv"))
    assert [pair.cosine for pair in many.pairs] == [pytest.approx(same.cosine)]
    assert many.total == 2 and list(many.failed) == [str(tmp_path / "missing.png")]
    found = verifier.compare_all(str(signs / "sign00"))
    assert found.total == 10 and all(pair.same for pair in found.pairs)
    assert any({pair.first, pair.second} == {same.first, same.second} for pair in found.pairs) == same.same


def test_costs_and_prior_move_the_threshold_and_the_errors(run: Path) -> None:
    plain, careful = open_verifier(run), open_verifier(run, OperatingPoint(cost_false_match=3.0))
    assert careful.threshold > plain.threshold
    assert careful.false_match.value <= plain.false_match.value
    assert careful.false_non_match.value >= plain.false_non_match.value
    rare = open_verifier(run, OperatingPoint(prior=0.25))
    assert rare.threshold == pytest.approx(careful.threshold)  # three to one either way
    never = open_verifier(run, OperatingPoint(cost_false_match=1e12))
    assert never.threshold == np.inf and (never.false_match.value, never.false_non_match.value) == (0.0, 1.0)
    for wrong in ({"prior": 1.0}, {"prior": 0.0}, {"cost_false_match": 0.0}, {"cost_false_non_match": float("nan")}):
        with pytest.raises(CapasError) as refused:
            OperatingPoint(**wrong)
        assert refused.value.key == "same_number"


def test_it_is_an_encoder_too_and_tested_on_other_data(run: Path, signs: Path, tmp_path: Path) -> None:
    encoder = open_encoder(str(run))
    vectors = encode_contents(encoder, [signs / "sign00" / "0.png", signs / "sign00" / "1.png"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    same = open_verifier(run).compare(signs / "sign00" / "0.png", signs / "sign00" / "1.png")
    assert vectors[0] @ vectors[1] == pytest.approx(same.cosine, abs=1e-5)
    others = write_signs(tmp_path / "others", seed=7, identities=6)
    figures = capas.test(run, data=others / "signs.csv")
    assert figures["pairs"]["identities"] == 6  # type: ignore[index]
    assert figures["left_out"] == 0


def test_export_gives_the_same_vectors(run: Path, signs: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    exported = capas.load(run).export(tmp_path / "same.onnx", [signs / "sign00" / "0.png", signs / "sign01" / "0.png"])
    assert exported.difference < 1e-4


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"supcon"}))
def test_every_method_trains(method: str, signs: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "data.target": "sign", "method.name": method, "train.epochs": 0.5}
    result = capas.train(signs / "signs.csv", out=tmp_path / "run", settings=settings)
    assert result is not None
    tensors = read_bundle(tmp_path / "run" / "bundle").tensors
    assert {name.partition(".")[0] for name in tensors} == {"encoder", "embedder"}


def test_voices_without_a_validation_split(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for speaker in range(4):
        for i in range(6):
            pitch = 200 * (1 + speaker) * rng.uniform(0.97, 1.03)
            wave = sum(np.sin(2 * np.pi * pitch * k * np.arange(2000) / 8000) / k for k in (1, 2, 3))
            place = tmp_path / "voices" / f"speaker{speaker}"
            place.mkdir(parents=True, exist_ok=True)
            soundfile.write(place / f"{i}.wav", (0.3 * wave).astype(np.float32), 8000)
    result = capas.train(tmp_path / "voices", out=tmp_path / "run", settings=SMALL)
    assert result is not None
    figures = result.test_result.as_json()
    assert set(cast(Mapping[str, object], figures["baseline"])) == {"mel_statistics", "untrained"}
    assert "interval" not in cast(Mapping[str, Mapping[str, object]], figures["metrics"])["eer"]
    verifier = open_verifier(tmp_path / "run")
    assert verifier.overconfident
    first, second = (tmp_path / "voices" / "speaker0" / f"{i}.wav" for i in (0, 1))
    assert verifier.compare(first, second).cosine > 0
    assert any("voices" in limit for limit in verifier.card.limits)
    with pytest.raises(CapasError):
        verifier.compare(first, tmp_path / "run" / "config.toml")


def test_what_cannot_be_learnt_is_refused(signs: Path, tmp_path: Path, run: Path) -> None:
    few = tmp_path / "few"
    for name in ("a", "b", "c"):
        (few / name).mkdir(parents=True)
        for i in range(3):
            (few / name / f"{i}.png").write_bytes((signs / f"sign{ord(name) - 97:02d}" / f"{i}.png").read_bytes())
    for data, settings, key in (
        (few, {"data.task": "verify"}, "unlearnable"),
        (signs, {"method.name": "arcface"}, "method_needs_verify"),
        (signs, {"data.task": "verify", "method.name": "simclr"}, "method_needs_embed"),
        (
            signs / "signs.csv",
            {"data.task": "verify", "data.target": "sign", "network.init_from": str(run)},
            "init_from_not_here",
        ),
        (signs / "signs.csv", {"data.task": "verify", "data.target": "number"}, "target_is_identifier"),
    ):
        with pytest.raises(CapasError) as refused:
            capas.plan(data, settings=settings)
        assert refused.value.key == key
    with pytest.raises(CapasError) as refused:
        open_verifier(capas_classifier(tmp_path))
    assert refused.value.key == "not_a_verifier"


def test_a_classifier_starts_from_what_tells_identities_apart(run: Path, signs: Path, tmp_path: Path) -> None:
    settings = {"network.init_from": str(run), "train.epochs": 0.01, "optim.learning_rate": 1e-12, "optim.ema": 0.0,
                "network.flip_tta": False}  # fmt: skip
    capas.train("sample:shapes", out=tmp_path / "few", report="none", settings=settings)
    before, after = (read_bundle(folder / "bundle").tensors for folder in (run, tmp_path / "few"))
    torch.testing.assert_close(after["stem.0.weight"], before["encoder.stem.0.weight"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "point",
    [{"cost_false_match": 1e20}, {"cost_false_non_match": 0.0}, {"cost_false_match": float("nan")}, {"prior": 1.0}],
)  # fmt: skip
def test_numbers_that_are_none_to_weigh_with_are_refused(point: dict[str, float]) -> None:
    with pytest.raises(CapasError) as refused:
        OperatingPoint(**point)
    assert refused.value.key == "same_number"
    assert OperatingPoint(cost_false_match=1e12).least_probability < 1


def test_one_file_and_half_a_pair_are_no_comparison(run: Path, signs: Path, tmp_path: Path) -> None:
    verifier, picture = open_verifier(run), signs / "sign00" / "0.png"
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.png").write_bytes(picture.read_bytes())
    (tmp_path / "pairs.csv").write_text(f"first,second\n{picture},{picture}\n{picture},\n")
    for folder in (tmp_path / "one", picture):
        with pytest.raises(CapasError) as refused:
            verifier.compare_all(str(folder))
        assert refused.value.key == "same_needs_two"
    with pytest.raises(CapasError) as refused:
        read_pairs(tmp_path / "pairs.csv")
    assert (refused.value.key, refused.value.received) == ("pairs_row", "2")


def capas_classifier(folder: Path) -> Path:
    settings = {**SMALL, "train.epochs": 0.1, "data.task": None}
    capas.train("sample:shapes", out=folder / "classifier", settings=settings)
    return folder / "classifier"


def test_whole_identities_are_chosen_and_pairs_drawn() -> None:
    identities = np.repeat(np.arange(10), 4)
    some = choose_examples(identities, limit=13)
    assert len(some) == 12 and (np.unique(identities[some], return_counts=True)[1] == 4).all()
    every = choose_pairs(identities)
    assert every.same.sum() == 10 * 6 and (~every.same).sum() == 40 * 39 // 2 - 60
    few = choose_pairs(identities, limit=20, seed=3)
    assert few.same.sum() == 20 and (~few.same).sum() == 20
    assert len(set(zip(few.first.tolist(), few.second.tolist(), strict=True))) == 40
    np.testing.assert_array_equal(few.first, choose_pairs(identities, limit=20, seed=3).first)
    assert (
        has_both_kinds(np.array([0, 0, 1]))
        and not has_both_kinds(np.array([0, 1]))
        and not has_both_kinds(np.array([0, 0]))
    )


def test_the_table_of_errors_says_what_the_curve_says() -> None:
    rng = np.random.default_rng(0)
    same = np.arange(400) < 200
    first = rng.integers(0, 8, 400)
    pairs = ScoredPairs(
        scores=rng.normal(same * 1.0, 1), same=same, first=first, second=np.where(same, first, first + 8)
    )
    table, curve = error_table(pairs), error_curve(pairs)
    for threshold in (table.thresholds[50], table.thresholds[120]):
        false_match, false_non_match = table.at(threshold)
        assert (false_match.value, false_non_match.value) == pytest.approx(rates_at(curve, threshold), abs=1e-5)
        assert false_match.interval[0] <= false_match.value <= false_match.interval[1]
        assert (false_match.n, false_non_match.n) == (200, 200)
