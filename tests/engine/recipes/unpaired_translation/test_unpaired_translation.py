"""Two folders without pairs, from the data to a bundle that turns pictures of one into those of the other."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

import capas
from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.image.store import ImageStore
from capas.engine.config import Config
from capas.engine.dataset_record import read_dataset_record
from capas.engine.distributed import Ranks
from capas.engine.recipes.generation import features
from capas.engine.recipes.unpaired_translation.data import Collection, UnpairedExamples
from capas.engine.recipes.unpaired_translation.evaluate import evaluate_translators, mean_difference
from capas.engine.recipes.unpaired_translation.translators import Directions
from capas.engine.run import Run, read_metrics
from capas.objectives.generative.cycle_consistency import A_TO_B, B_TO_A
from capas.trust.report import make_report
from tests.harness import FIXED, capas_here

SMALL = {**FIXED, "network.width": 2, "data.task": "transform", "transform.blocks": 1, "transform.pool": 4,
         "train.epochs": 1, "train.batch_size": 8, "train.evaluations": 1}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def plain_features() -> Iterator[None]:
    """Pixels in place of a pretrained network's features, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "lite0_weights_installed", lambda: False)
        yield


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty pictures of 16 pixels with a dark bar, and fifty others with a light one; no two are alike."""
    folder, rng = tmp_path_factory.mktemp("signs"), np.random.default_rng(0)
    for i in range(100):
        picture = rng.integers(90, 160, (16, 16)).astype(np.uint8)
        picture[rng.integers(1, 13) :][:3] = 250 if i % 2 else 5
        if i == 10:  # one of another size
            picture = np.pad(picture, ((0, 0), (4, 4)), mode="edge")
        name = "light" if i % 2 else "dark"
        (folder / name).mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / name / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="module")
def run(signs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "signs"
    capas.train(signs, out=folder, settings={**SMALL, "train.epochs": 4})
    return folder


def test_look_says_which_folder_is_which(signs: Path) -> None:
    report = capas.look(signs, settings={"data.task": "transform"})
    spec = report.detection.spec
    assert spec.unpaired
    assert spec.classes == ("dark", "light")
    assert report.per_class("train") == {"dark": 34, "light": 34}
    assert report.per_class("test") == {"dark": 8, "light": 8}
    # That their brightness tells them apart is what is to be learnt, and no shortcut.
    assert not [problem.kind for problem in report.problems if problem.severity != "note"]
    assert "pictures of dark are learnt to be turned into pictures of light" in report.detection.evidence[-1]


def test_what_is_made_of_each_picture_is_learnt_where_that_is_asked_for(signs: Path) -> None:
    report = capas.look(signs, settings={"data.task": "transform", "transform.kind": "denoise"})
    assert not report.detection.spec.unpaired


def test_the_figures_of_a_run(run: Path) -> None:
    figures = read_metrics(Run(folder=run))
    distances = ["kid_a_to_b", "sample_coverage_a_to_b", "cycle_error_a"]
    others = ["kid_b_to_a", "sample_coverage_b_to_a", "cycle_error_b"]
    assert list(figures["metrics"]) == ["kid", *distances, *others]
    assert list(figures["baseline"]) == ["untouched"]
    assert figures["collections"] == ["dark", "light"]
    assert figures["real_images"]["kid"]["value"] < figures["baseline"]["untouched"]["kid"]["value"]
    rows = (run / "predictions.csv").read_text().splitlines()
    assert rows[0] == "example,collection,changed,cycle_error"
    assert [row.split(",")[1] for row in rows[1:]] == ["dark"] * 8 + ["light"] * 8
    card = json.loads((run / "bundle" / "card.json").read_text())
    assert card["classes"] == ["dark", "light"]
    assert any("invented" in limit for limit in card["limits"])


class Shift(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.value


def collection(brightness: float, seed: int) -> Collection:
    images = torch.rand(40, 1, 16, 16, generator=seeded_generator(seed, "test")) * 0.2 + brightness
    return Collection(names=[f"{seed}-{i}" for i in range(40)], images=images)


def measured(a_to_b: float, b_to_a: float) -> tuple[dict[str, dict[str, float]], dict[str, object]]:
    directions = Directions(networks=nn.ModuleDict({A_TO_B: Shift(a_to_b), B_TO_A: Shift(b_to_a)}))
    sides = [(collection(-0.5, seed), collection(0.3, seed + 1)) for seed in (0, 2)]
    found = evaluate_translators(directions, sides[0], train=sides[1], names=("a", "b"))
    return dict(found.metrics), {**found.further, "untouched": found.baseline["untouched"], "better": found}  # type: ignore[arg-type]


def test_translators_that_do_nothing_are_seen_as_such() -> None:
    metrics, further = measured(0.0, 0.0)
    assert {name: metrics[name] for name in further["untouched"]} == further["untouched"]  # type: ignore[attr-defined]
    assert further["changed"] == {"a_to_b": 0, "b_to_a": 0}
    assert metrics["cycle_error_a"]["value"] == 0
    assert not further["better"].beats_baselines()  # type: ignore[attr-defined]


def test_right_translators_are_like_real_images_and_the_headline_is_the_worse_direction() -> None:
    metrics, further = measured(0.8, -0.8)
    assert further["better"].beats_baselines()  # type: ignore[attr-defined]
    assert further["changed"] == {"a_to_b": 0.4, "b_to_a": 0.4}
    assert metrics["sample_coverage_a_to_b"]["value"] > 0.5
    half, _ = measured(0.8, 0.0)
    assert half["kid"] == half["kid_b_to_a"] != half["kid_a_to_b"]
    assert half["cycle_error_a"]["value"] == pytest.approx(0.4)


def test_a_difference_is_a_share_of_the_range() -> None:
    assert mean_difference(torch.ones(1, 1, 2, 2), -torch.ones(1, 1, 2, 2)).tolist() == [1.0]


def test_batches_are_unpaired_and_the_same_whenever_they_are_asked_for(run: Path) -> None:
    record = read_dataset_record(Run(folder=run))
    store = ImageStore(np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1), {})
    examples = UnpairedExamples(store, record, flip=False)
    batches = examples.training(Config().merged({"train.batch_size": 4}), Ranks())
    assert batches.examples == 34
    places = [[name.split("/")[1] for name in batches.names(step)] for step in range(8)]
    first, second = ([int(n[:2]) // 2 for names in places for n in names[side]] for side in (slice(4), slice(4, 8)))
    # An epoch holds each picture once; the orders of the two have nothing to do with each other.
    assert len(set(first)) == 32
    assert len(set(second)) == 32
    assert sum(one == other for one, other in zip(first, second, strict=True)) < 6
    assert {name.split("/")[0] for name in batches.names(3)[:4]} == {"dark"}
    assert torch.equal(batches.batch(5).b, batches.batch(5).b)


def test_pictures_of_either_folder(run: Path, signs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = sorted((signs / "dark").iterdir())[0]
    said = capas_here(capsys, "predict", run, picture, "--to", "Light", "-o", tmp_path / "light")
    assert said.code == 0
    with Image.open(tmp_path / "light" / f"{picture.stem}.png") as image:
        made = np.array(image)
        assert made.shape == (16, 16)
        assert image.info["capas:to"] == "light"
        assert image.info["capas:translates"] == picture.name
        assert image.info["DigitalSourceType"].endswith("trainedAlgorithmicMedia")
    model = capas.load(run)
    answer = model.predict([picture])[0]
    assert answer.prediction == "light"
    np.testing.assert_array_equal(answer.picture, made)
    model.turn("dark")
    assert model.predict([picture])[0].prediction == "dark"
    assert not np.array_equal(model.predict([picture])[0].picture, made)
    with pytest.raises(CapasError) as error:
        model.turn("grey")
    assert error.value.key == "collection_unknown"


def test_other_models_have_no_direction(finished_run: Path) -> None:
    with pytest.raises(CapasError) as error:
        capas.load(finished_run).turn("light")
    assert error.value.key == "no_direction"


@pytest.mark.slow
def test_the_network_elsewhere(run: Path, signs: Path, tmp_path: Path) -> None:
    model = capas.load(run)
    picture = sorted((signs / "dark").iterdir())[0]
    model.turn("dark")
    exported = model.export(tmp_path / "dark.onnx", [picture])
    assert exported.difference < 1e-4
    assert json.loads((tmp_path / "dark.json").read_text())["to"] == "dark"


def test_the_report_shows_pictures_there_and_back(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    report = make_report(str(copy), "quick")
    page = report.page.read_text(encoding="utf-8")
    assert "Pictures, translated and led back" in page
    assert "dark → light" in page
    done = {theme.name for theme in report.themes if theme.not_computed_because is None}
    assert done == {"quality", "leakage"}
    figures = json.loads((copy / "metrics.json").read_text())
    figures |= {"spread": {"a_to_b": 0.05, "b_to_a": 1.0}, "changed": {"a_to_b": 0.2, "b_to_a": 0.001}}
    (copy / "metrics.json").write_text(json.dumps(figures))
    found = [one for one in make_report(str(copy), "quick").tree["findings"] if "translations" in one["key"]]
    assert [one["key"] for one in found] == ["translations_collapsed", "translations_unchanged"]
    assert "dark → light" in found[0]["text"]
    assert "light → dark" in found[1]["text"]


def test_tested_on_other_data(run: Path, signs: Path, tmp_path: Path) -> None:
    other = shutil.copytree(signs, tmp_path / "other")
    for path in other.rglob("*.png"):
        Image.fromarray(np.array(Image.open(path))[::-1].copy()).save(path)
    figures = capas.test(run, data=str(other))
    assert figures["metrics"]["kid"]["n"] == 50
    for path in sorted((other / "light").iterdir())[3:]:
        path.unlink()
    with pytest.raises(CapasError) as error:
        capas.test(run, data=str(other))
    assert error.value.key == "too_few_tested"
    shutil.rmtree(other / "light")
    (other / "light").mkdir()
    with pytest.raises(CapasError) as error:
        capas.test(run, data=str(other))
    assert error.value.key == "collection_empty"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"network.name": "dcgan"}, "network_not_for"),
        ({"data.image_size": 30}, "side_not_made"),
        ({"method.name": "vae"}, "method_not_for"),
    ],
)
def test_what_cannot_be_learnt(settings: dict[str, object], key: str, signs: Path, tmp_path: Path) -> None:
    with pytest.raises(CapasError) as error:
        capas.train(signs, out=tmp_path / "run", settings={**SMALL, **settings})
    assert error.value.key == key


def test_a_loss_that_is_no_number_ends_the_training_and_keeps_the_last_good_checkpoint(
    signs: Path, tmp_path: Path
) -> None:
    settings = {**SMALL, "optim.learning_rate": 1e37, "train.checkpoint_steps": 1, "data.validation": 0.0}
    with pytest.raises(CapasError) as error:
        capas.train(signs, out=tmp_path / "run", settings=settings)
    assert error.value.key == "loss_not_finite"
    (kept,) = (tmp_path / "run" / "checkpoints").glob("*.safetensors")
    assert all(tensor.isfinite().all() for tensor in load_file(kept).values())


@pytest.mark.parametrize(
    ("kept", "key"), [(0, "collection_empty"), (20, "too_few_to_translate"), (50, "transform_kind_missing")]
)
def test_folders_that_are_no_two_collections(kept: int, key: str, signs: Path, tmp_path: Path) -> None:
    data = shutil.copytree(signs, tmp_path / "data")
    for path in sorted((data / "light").iterdir())[kept:]:
        path.unlink()
    if kept == 50:
        shutil.copytree(data / "dark", data / "third")
    with pytest.raises(CapasError) as error:
        capas.train(data, out=tmp_path / "run", settings=SMALL)
    assert error.value.key == key
    assert kept != 20 or "light" in error.value.part("what")


def test_one_folder_alone_is_no_pair_of_collections(signs: Path, tmp_path: Path) -> None:
    with pytest.raises(CapasError) as error:
        capas.train(signs / "dark", out=tmp_path / "run", settings={**SMALL, "transform.kind": "unpaired"})
    assert error.value.key == "transform_no_collections"
