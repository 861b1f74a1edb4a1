"""Models that give many answers per example, and numbers and tags of pictures, are questioned too: small made-up ones.

What is computed by hand here: errors of calibration where examples hang together, groups by a figure, borders of zones.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import capas
from capas.data.tabular.columns import column_from_cells
from capas.metrics.calibration import calibration_error
from capas.trust.attacks.sanity_checks import SanityCheckFailure
from capas.trust.attacks.segmentation_losses import pixel_loss
from capas.trust.clustered_calibration import clustered_calibration_error
from capas.trust.explanations.faithfulness import interpolation_curve
from capas.trust.explanations.region_importance import region_importances
from capas.trust.ood import autoencoder
from capas.trust.report import TrustReport, make_report
from capas.trust.subgroups.subgroup_ratios import subgroup_ratios
from capas.trust.subjects.open_run import open_run
from capas.trust.subjects.regression_multilabel import multilabel_targets, regression_targets
from capas.trust.subjects.structured import CalibrationSamples
from capas.trust.subjects.transcription import line_windows
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.explanations_segmentation import accuracy_by_border_distance
from capas.trust.themes.groups import groups_theme
from tests.engine.made_frames import recordings
from tests.engine.made_problems import brightness_table
from tests.engine.recipes import test_segmentation, test_token_classification, test_transcription
from tests.harness import FIXED, train_here


@pytest.fixture(autouse=True, scope="module")
def quickly() -> Iterator[None]:
    """The small network that redraws pictures learns for a tenth of its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoder, "WORK", autoencoder.WORK // 10)
        yield


def theme(report: TrustReport, name: str) -> Mapping[str, object]:
    themes = report.tree["themes"]
    assert isinstance(themes, dict)
    found: Mapping[str, object] = themes[name]
    return found


def facts(report: TrustReport, name: str) -> dict[str, object]:
    found = theme(report, name)["facts"]
    assert isinstance(found, dict)
    return found


def value(figure: object) -> float:
    assert isinstance(figure, dict)
    return float(figure["value"])


def test_one_statement_an_example_gives_the_usual_error_and_copies_are_no_new_examples() -> None:
    rng = torch.Generator().manual_seed(0)
    stated = torch.rand(600, generator=rng)
    true = torch.rand(600, generator=rng) < stated**2
    single = [CalibrationSamples(confidence=p[None], correct=y[None]) for p, y in zip(stated, true, strict=True)]
    usual, own = calibration_error(stated, true, rng), clustered_calibration_error(single, rng)
    assert own.error.value == pytest.approx(usual.error.value, abs=1e-9) and own.error.n == 600
    assert own.error.interval == pytest.approx(usual.error.interval, abs=0.015)
    assert own.by_chance == pytest.approx(usual.by_chance, abs=0.02)
    copied = [
        CalibrationSamples(confidence=p.expand(50), correct=y.expand(50)) for p, y in zip(stated, true, strict=True)
    ]
    many = clustered_calibration_error(copied, rng)
    width, usual_width = (high - low for low, high in (many.error.interval, own.error.interval))
    assert many.error.n == 30_000 and width > 0.7 * usual_width and many.by_chance > 0.7 * own.by_chance
    assert sum(one.observed.n for one in many.bins) == 30_000


def test_a_group_that_fares_worse_is_told_and_chance_is_not() -> None:
    rng = torch.Generator().manual_seed(1)
    bottom = torch.randint(5, 40, (300,), generator=rng).double()
    groups = ["old" if i % 3 == 0 else "new" for i in range(300)]
    worse = torch.tensor([0.3 if group == "old" else 0.1 for group in groups], dtype=torch.float64)
    found = subgroup_ratios(torch.binomial(bottom, worse), bottom, groups, rng)
    assert [group.name for group in found] == ["new", "old"] and found[1].n == 100
    assert all(group.differs for group in found) and found[1].gap == pytest.approx(0.2, abs=0.04)
    assert found[1].gap_interval[0] < 0.2 < found[1].gap_interval[1] and found[0].gap == -found[1].gap
    even = torch.binomial(bottom, torch.full((300,), 0.2, dtype=torch.float64))
    assert not any(group.differs for group in subgroup_ratios(even, bottom, groups, rng))
    few = subgroup_ratios(even[:40], bottom[:40], groups[:40], rng)
    assert [group.differs for group in few] == [None, None]
    whole = subgroup_ratios(even, bottom, [""] * 300, rng)[0]
    assert whole.value == pytest.approx(float(even.sum() / bottom.sum())) and whole.differs is None


def test_pixels_are_counted_by_their_distance_from_a_border() -> None:
    truth = torch.zeros(9, 40, dtype=torch.uint8)
    truth[:, 20:] = 1
    truth[0, 0] = 255
    right = torch.zeros_like(truth, dtype=torch.bool)
    right[:, 25:] = True
    counts = accuracy_by_border_distance(truth, right)
    # Columns 19 and 20 lie at the border, distance 0; the void pixel makes a border of its own and does not count.
    assert counts[:, 1].sum() == 9 * 40 - 1
    inner = accuracy_by_border_distance(truth[1:], right[1:])[:, 0]
    assert inner[0] == 0 and inner.sum() == 8 * 15 and inner[-1] == 8 * (40 - 33)


def test_the_loss_of_masks_leaves_unknown_pixels_out_and_is_each_picture_s_own() -> None:
    logits = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    y = torch.randint(4, (3, 5, 6), generator=torch.Generator().manual_seed(1))
    y[1, :3] = 255
    y[2] = 255
    found = pixel_loss(logits, y)
    for i in (0, 1):
        assert found[i] == pytest.approx(float(torch.nn.functional.cross_entropy(logits[i : i + 1], y[i : i + 1],
                                                                                 ignore_index=255)))  # fmt: skip
    assert found[2] == 0


def test_numbers_are_right_inside_their_interval_and_tags_when_all_are() -> None:
    wanted = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    numbers = regression_targets(wanted, torch.tensor([0.5, 0.1]))
    outputs = torch.tensor([[0.4, 1.05], [0.4, 1.2]])
    assert numbers.is_correct(outputs, wanted).tolist() == [True, False]
    torch.testing.assert_close(numbers.loss(outputs, wanted), torch.tensor([0.1625, 0.2]))
    tags = multilabel_targets(wanted, torch.tensor([0.5, 0.9]), 2.0)
    assert tags.is_correct(torch.tensor([[-1.0, 5.0], [-1.0, 3.0]]), wanted).tolist() == [True, False]
    assert tags.loss(torch.tensor([[-40.0, 40.0]]), wanted[:1]) < 1e-6


def test_curves_and_places_of_values_find_the_pixel_that_counts() -> None:
    """A number that is the brightness of one corner."""
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)) / 2 + 0.5
    background = torch.zeros(1, 8, 8)

    def forward(pictures: torch.Tensor) -> torch.Tensor:
        return pictures[:, :, :2, :2].mean((1, 2, 3))[:, None]

    right = torch.zeros(6, 8, 8)
    right[:, :2, :2] = 1
    dark = background.expand_as(x)
    curves = [interpolation_curve(lambda p, rows: forward(p)[:, 0], x, dark, maps) for maps in (right, -right)]
    assert curves[0].area < 0.15 * curves[1].area and curves[0].mean[-1] == 0
    assert curves[0].mean[0] == pytest.approx(float(forward(x).mean()))
    wanted = forward(x)
    found = region_importances(forward, x, lambda out: ((out - wanted).abs() < 0.01).all(1), background)
    assert (
        (found[0].top, found[0].left) == (0, 0)
        and found[0].accuracy_alone.value == 1
        and found[1].accuracy_alone.value == 0
    )


def test_a_line_is_cut_into_windows_of_one_size() -> None:
    line = torch.randint(256, (16, 300), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    held = line_windows(line)
    assert held.shape == (8, 1, 16, 32) and torch.equal(held[0, 0], line[:, :32].float() / 255)
    assert torch.equal(held[-1, 0], line[:, -32:].float() / 255)
    short = line_windows(line[:, :10])
    assert short.shape == (1, 1, 16, 32) and not short[..., 10:].any()


@pytest.fixture(scope="module")
def masks_report(tmp_path_factory: pytest.TempPathFactory) -> TrustReport:
    folder = tmp_path_factory.mktemp("zones")
    data = test_segmentation.write_scenes(folder / "data", 400)
    settings = {**test_segmentation.SETTINGS, "train.epochs": 5}
    return make_report(str(train_here(data, folder / "run", settings)), "standard")


def test_masks_are_questioned_by_pixel(masks_report: TrustReport) -> None:
    for name in ("quality", "calibration", "explanations", "attacks", "groups", "labels", "leakage"):
        assert theme(masks_report, name)["status"] != "not_computed", theme(masks_report, name)
    assert facts(masks_report, "calibration")["statements_of"] == "masks"
    attacks = facts(masks_report, "attacks")
    after = attacks["right_after"]
    assert isinstance(after, dict)
    for ways in zip(after["pgd"], after["noise"], strict=True):
        assert value(ways[0]) <= value(ways[1]) + 0.02
    assert value(after["noise"][0]) <= value(attacks["without"]) + 0.03
    check = attacks["self_check"]
    assert isinstance(check, dict) and check["failures"] == [] and check["n"] == 8
    rings = facts(masks_report, "explanations")["right_by_distance_px"]
    assert isinstance(rings, dict) and value(rings["0–1"]) < value(rings["4–6"])
    labels = facts(masks_report, "labels")
    # A square may hide the other one.
    n, examples = (int(str(labels[name])) for name in ("n", "examples"))
    assert 2 * examples < n <= 3 * examples
    assert theme(masks_report, "stickers")["status"] == "not_computed"


def test_what_is_unlike_the_pictures_of_masks_is_refused_by_predict(masks_report: TrustReport) -> None:
    assert theme(masks_report, "ood")["status"] != "not_computed", theme(masks_report, "ood")
    seen = facts(masks_report, "ood")
    probes = seen["probes"]
    assert isinstance(probes, dict) and value(probes["noise"]["detected"]) > 0.9
    model = capas.load(masks_report.folder.parent)
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    usual = [np.asarray(test_segmentation.scene(1000 + i)[0]) for i in range(20)]
    (strange,) = model.predict([noise])
    assert strange.refused and strange.prediction is None and ".unlike.png" in strange.files
    assert sum(answer.refused is not None for answer in model.predict(usual)) <= 6
    (answered,) = capas.load(masks_report.folder.parent, answer_all=True).predict([noise])
    assert answered.refused is None and answered.facts["unlike_training_data"]


@pytest.fixture(scope="module")
def words_report(tmp_path_factory: pytest.TempPathFactory) -> TrustReport:
    """Names and places, one label of the test wrong on purpose."""
    folder, chance = tmp_path_factory.mktemp("words"), random.Random(1)
    data = folder / "data"
    data.mkdir()
    for name, count in (("a.train", 200), ("a.testa", 60), ("a.testb", 60)):
        held = [test_token_classification.sentence(chance) for _ in range(count)]
        if name == "a.testb":
            held[7] = [("Quito", "B-PER"), ("vive", "O"), ("en", "O"), ("Lima", "B-LOC"), (".", "O")]
        (data / name).write_text(test_token_classification.columns(held), encoding="utf-8")
    settings = {**FIXED, "network.width": 16, "train.batch_size": 8, "train.epochs": 6, "train.evaluations": 2}
    return make_report(str(train_here(data, folder / "run", settings)), "standard")


def test_words_are_questioned_one_by_one_and_the_wrong_label_is_listed(words_report: TrustReport) -> None:
    assert facts(words_report, "calibration")["statements_of"] == "words"
    labels = facts(words_report, "labels")
    first = labels["first"]
    assert isinstance(first, list)
    wrong = [one for one in first if one["label"] == "B-PER" and one["place"].startswith("[Quito]")]
    assert len(wrong) == 1 and wrong[0]["model"] == "B-LOC" and wrong[0]["split"] == "test"
    listed = (words_report.folder / "given-labels-believed-least.csv").read_text(encoding="utf-8")
    assert listed.startswith("example,split,place,label,model,probability_of_label\n")
    assert "[Quito] vive en Lima" in listed
    for name in ("explanations", "attacks", "stickers"):
        assert theme(words_report, name)["not_computed_because"]
    unlike = facts(words_report, "ood")
    assert set(str(unlike["scores"]).split()) and theme(words_report, "leakage")["status"] != "not_computed"


@pytest.mark.slow
def test_transcripts_have_groups_and_a_statement_for_each_line(tmp_path: Path) -> None:
    data = test_transcription.write_lines(tmp_path / "lines", 300)
    settings = {**test_transcription.SETTINGS, "train.epochs": 3}
    run = train_here(data, tmp_path / "run", settings)
    report = make_report(str(run), "standard")
    assert "probes" in facts(report, "ood") and int(str(facts(report, "leakage")["same_answer"])) > 0
    # No source of lines has columns yet; where one has, lines of one hand are compared with the others by their errors.
    case, _ = open_run(str(run))
    hands = column_from_cells("left" if i % 2 else "right" for i in range(len(case.source)))
    source = replace(case.source, columns={"hand": hands})
    found = groups_theme(ThemeContext(run_context=replace(case, source=source), subject=None, level="standard"))
    columns = found.facts["columns"]
    assert isinstance(columns, dict) and found.facts["by_column"] == "cer" and len(columns["hand"]) == 2
    told = sum(one["figure"]["n"] * one["figure"]["value"] for one in columns["hand"])
    assert sum(one["figure"]["n"] for one in columns["hand"]) == found.facts["n"] and told > 0


def test_frames_are_questioned_by_recording(tmp_path: Path) -> None:
    data = recordings(tmp_path / "data", 100)
    settings = {**FIXED, "train.epochs": 4, "train.batch_size": 8, "network.width": 4}
    report = make_report(str(train_here(data, tmp_path / "run", settings)), "quick")
    calibration = facts(report, "calibration")
    assert calibration["statements_of"] == "frames" and int(str(calibration["examples"])) >= 10
    assert theme(report, "explanations")["not_computed_because"]


@pytest.mark.parametrize(
    ("target", "task"), [("brightness", "regress"), pytest.param("seen", "tag", marks=pytest.mark.slow)]
)
def test_numbers_and_tags_of_pictures_have_maps_and_attacks(tmp_path: Path, target: str, task: str) -> None:
    data = brightness_table(tmp_path / "p", 160)
    settings = {**FIXED, "data.target": target, "train.epochs": 12, "network.name": "compact", "data.task": task,
                "data.columns_beside": False}  # fmt: skip
    report = make_report(str(train_here(data, tmp_path / "run", settings)), "standard")
    zones, attacks = facts(report, "explanations"), facts(report, "attacks")
    methods = zones["methods"]
    assert isinstance(methods, dict) and set(methods) == {
        "integrated_gradients", "occlusion", "gradient", "brightness", "random"}  # fmt: skip
    assert zones["place"] is not None and attacks["right_means"] in ("inside_interval", "same_tags")
    after = attacks["right_after"]
    assert isinstance(after, dict) and set(after) == {"noise", "fgsm", "pgd"}
    assert [value(one) for one in after["pgd"]] == sorted((value(one) for one in after["pgd"]), reverse=True)
    check = attacks["self_check"]
    assert isinstance(check, dict) and set(check["failures"]) <= {str(failure) for failure in SanityCheckFailure}


@pytest.mark.slow
def test_the_pictures_of_a_transform_can_be_unlike(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    for i in range(290):
        blocks = chance.uniform(0.3, 0.6, (4, 4)).repeat(8, 0).repeat(8, 1)
        Image.fromarray((255 * blocks).astype(np.uint8)).save(_made(tmp_path / "data" / f"{i:03d}.png"))
    settings = {**FIXED, "data.task": "transform", "transform.kind": "denoise", "train.epochs": 0.05,
                "network.width": 4, "data.image_size": 16}  # fmt: skip
    report = make_report(str(train_here(tmp_path / "data", tmp_path / "run", settings)), "standard")
    assert theme(report, "ood")["status"] != "not_computed", theme(report, "ood")["not_computed_because"]
    assert theme(report, "calibration")["not_computed_because"] and theme(report, "labels")["not_computed_because"]
    chosen = capas.load(tmp_path / "run").predict([(255 * np.random.default_rng(1).random((32, 32))).astype(np.uint8)])
    assert chosen[0].facts["unlike_training_data"] in (True, False)


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
