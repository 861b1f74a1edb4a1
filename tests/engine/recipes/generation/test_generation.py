"""Learning to draw images, from a folder to a bundle that draws the same ones again."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import capas
from capas.core.errors import CapasError
from capas.engine.recipes.generation.evaluate import KnownImages, evaluate_generator
from capas.engine.recipes.generation.families import FAMILIES
from capas.engine.run import Run, read_metrics
from capas.metrics.rate import rate
from capas.sampling.generator import USUAL, SamplingChoice, SamplingOptions
from capas.trust.report import make_report
from tests.harness import FIXED, capas_here

SMALL = {**FIXED, "data.task": "generate", "train.epochs": 1, "train.batch_size": 16, "generation.samples": 16,
         "train.evaluations": 1}  # fmt: skip
WIDTHS = {"ddpm": 8, "gated-pixelcnn": 4, "glow": 8, "dcgan": 4, "gan": 16, "stylegan2": 2, "stylegan3": 2}


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures of 8 pixels a side with a bar that lies or stands, by class."""
    folder, rng = tmp_path_factory.mktemp("bars"), np.random.default_rng(0)
    for i in range(60):
        picture = rng.integers(0, 60, (8, 8)).astype(np.uint8)
        picture[rng.integers(1, 6)] = 250
        name, picture = ("lies", picture) if i % 2 else ("stands", picture.T)
        (folder / name).mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / name / f"{i:02d}.png")
    return folder


# The oldest one learns as the second does, StyleGAN3 as StyleGAN2: they make the quick tests longer.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in ("gan", "stylegan3") else [])
        for name in sorted(FAMILIES)
    ],
)
def run(request: pytest.FixtureRequest, bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name: str = request.param
    folder = tmp_path_factory.mktemp("runs") / name
    capas.train(bars, out=folder, settings={**SMALL, "network.name": name, "network.width": WIDTHS[name],
                                             "train.epochs": 6})  # fmt: skip
    return folder


def test_the_figures_of_a_run(run: Path) -> None:
    figures = read_metrics(Run(folder=run))
    metrics = figures["metrics"]
    rated = {"ddpm": ["bits_bound"], "glow": ["bits_exact"], "gated-pixelcnn": ["bits_exact"]}.get(run.name, [])
    assert list(metrics) == [
        "sample_coverage", "sample_density", "kid", "fid", *rated, "near_copies", "class_accuracy_score",
    ]  # fmt: skip
    assert all(0 < metrics[name]["value"] < 16 for name in rated)
    assert set(figures["baseline"]) == {"gaussian"}
    # What other real images get is far better than what a network gets in one epoch.
    assert figures["real_images"]["fid"]["value"] < metrics["fid"]["value"] / 2
    assert figures["samples"] == 16
    assert "PCA" in str(figures["features"])
    rows = (run / "predictions.csv").read_text().splitlines()
    assert rows[0] == "sample,class,nearest,distance,near_copy"
    assert len(rows) == 17


def test_pictures_can_be_seen_while_it_learns(run: Path) -> None:
    assert sorted(path.suffix for path in (run / "samples").iterdir())[-1] == ".png"


def test_a_sample_is_the_same_however_many_are_drawn(run: Path) -> None:
    model = capas.load(run)
    torch.manual_seed(0)
    together = capas.generate(model, 5, seed=3)
    torch.manual_seed(123)
    np.testing.assert_array_equal(together[:2], capas.generate(model, 2, seed=3))
    assert together.shape == (5, 8, 8)
    assert together.dtype == np.uint8
    assert not np.array_equal(together, capas.generate(model, 5, seed=4))


def test_a_class_on_demand(run: Path) -> None:
    model = capas.load(run)
    in_turn = capas.generate(model, 4)
    np.testing.assert_array_equal(in_turn[0], capas.generate(model, 1, conditions=["lies"])[0])
    other = capas.generate(model, 8, conditions=["stands"])
    assert not np.array_equal(other, capas.generate(model, 8, conditions=["lies"]))
    with pytest.raises(CapasError) as error:
        capas.generate(model, 1, conditions=["leans"])
    assert error.value.key == "condition_unknown"


def test_the_files_of_the_verb(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = capas_here(capsys, "generate", run, "-n", "3", "--seed", "7", "-o", tmp_path / "drawn", "--json")
    assert said.code == 0
    assert json.loads(said.out)["count"] == 3
    names = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert names == ["00000-lies.png", "00001-stands.png", "00002-lies.png", "samples.png"]
    with Image.open(tmp_path / "drawn" / "00001-stands.png") as image:
        assert image.info["capas:seed"] == "7"
        assert image.info["capas:class"] == "stands"
        assert image.info["DigitalSourceType"].endswith("trainedAlgorithmicMedia")
        np.testing.assert_array_equal(np.array(image), capas.generate(run, 2, seed=7)[1])
    again = capas_here(capsys, "generate", run, "-n", "3", "-o", tmp_path / "drawn")
    assert again.code == 2
    assert "not empty" in again.err


def test_options_that_make_no_difference_are_refused(run: Path) -> None:
    if run.name == "ddpm":
        np.testing.assert_raises(AssertionError, np.testing.assert_array_equal,
                                 capas.generate(run, 2, steps=2), capas.generate(run, 2, steps=3))  # fmt: skip
        return
    with pytest.raises(CapasError) as error:
        capas.generate(run, 1, steps=5)
    assert error.value.key == "sampling_option_not_for"


def test_between_two_samples(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "between"
    if run.name == "gated-pixelcnn":
        assert capas_here(capsys, "interpolate", run, "0", "4", "-o", folder).code == 2
        return
    said = capas_here(capsys, "interpolate", run, "0", "4", "--frames", "3", "-o", folder, "--json")
    assert said.code == 0
    frames = [np.array(Image.open(folder / f"{i:05d}-lies.png")) for i in range(3)]
    drawn = capas.generate(run, 5)  # of "lies" and "stands" in turn, so that samples 0 and 4 are of one class
    np.testing.assert_array_equal(frames[0], drawn[0])
    np.testing.assert_array_equal(frames[2], drawn[4])
    assert not np.array_equal(frames[1], frames[0])
    with Image.open(folder / "interpolation.gif") as animation:
        assert animation.n_frames == 4  # there and back


def test_styles_are_mixed_truncated_and_found_again(
    run: Path, bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, folder = sorted((bars / "lies").iterdir())[0], tmp_path / "mixed"
    if not run.name.startswith("stylegan"):
        for key, asked in (
            ("no styles", ("interpolate", run, "0", "4", "--mix", "-o", folder)),
            ("no latents", ("edit", run, image, "--project")),
            ("no difference", ("generate", run, "--truncation", "0.5", "-o", folder)),
        ):
            said = capas_here(capsys, *asked)
            assert (said.code, key in said.err) == (2, True), said.err
        return
    assert capas_here(capsys, "interpolate", run, "0", "4", "--mix", "-o", folder).code == 0
    frames = [np.array(Image.open(path)) for path in sorted(folder.glob("0*-lies.png"))]
    drawn = capas.generate(run, 5)  # samples 0 and 4 are of one class
    np.testing.assert_array_equal(frames[0], drawn[0])
    np.testing.assert_array_equal(frames[-1], drawn[4])
    assert len(frames) == (5 if run.name == "stylegan2" else 9)
    assert "--frames" in capas_here(capsys, "interpolate", run, "0", "4", "--mix", "--frames", "3").err

    mean = capas.generate(run, 4, conditions=["lies"], truncation=0.0)
    assert (mean == mean[0]).all()
    np.testing.assert_array_equal(capas.generate(run, 2, truncation=1.0), drawn[:2])

    Image.fromarray(drawn[0]).save(tmp_path / "own.png")
    said = capas_here(capsys, "edit", run, tmp_path / "own.png", "--project", "-o", tmp_path / "found.png", "--json")
    found = np.array(Image.open(tmp_path / "found.png")).astype(float)
    difference = json.loads(said.out)["difference"]
    assert difference == pytest.approx(np.sqrt(np.square(found - drawn[0]).mean()), abs=0.5)
    # Nearer than another of its own pictures.
    assert difference < np.sqrt(np.square(drawn[2].astype(float) - drawn[0]).mean())
    assert "goes with no other way" in capas_here(capsys, "edit", run, image, "--project", "--inspect").err


def test_pictures_of_ones_own_are_led_into_each_other_and_into_another_class(
    run: Path, bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = sorted((bars / "lies").iterdir())[:2]
    asked = ("interpolate", run, first, second, "--frames", "3", "-o", tmp_path / "between", "--json")
    said = capas_here(capsys, *asked)
    changed = capas_here(capsys, "edit", run, first, "--class", "stands", "-o", tmp_path / "edited.png", "--json")
    if run.name != "glow":
        assert (said.code, changed.code) == (2, 2)
        assert "inversion_not_possible" in said.out
        return
    drawn = json.loads(said.out)["images"]
    frames = sorted((tmp_path / "between").glob("0*.png"))
    assert len(frames) == len(drawn) == 3
    for frame, given in (
        (frames[0], first),
        (frames[2], second),
    ):  # the network is invertible: the ends are the pictures
        assert np.abs(np.array(Image.open(frame)).astype(int) - np.array(Image.open(given))).max() <= 1
    assert not np.array_equal(np.array(Image.open(frames[1])), np.array(Image.open(first)))
    answer = json.loads(changed.out)
    assert answer["class"] == "stands"
    assert answer["class_before"] in ("lies", "stands")
    with Image.open(tmp_path / "edited.png") as image:
        assert image.info["capas:class"] == "stands"


def test_completing_keeps_what_is_seen(
    run: Path, bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask, image = np.zeros((8, 8), np.uint8), sorted((bars / "lies").iterdir())[0]
    mask[4:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    asked = ("complete", run, image, "--mask", tmp_path / "mask.png", "-n", "2")
    said = capas_here(capsys, *asked, "-o", tmp_path / "completed")
    if run.name not in ("ddpm", "gated-pixelcnn"):
        assert said.code == 2
        return
    assert said.code == 0
    known, made = np.array(Image.open(image)), np.array(Image.open(tmp_path / "completed" / "00000-lies.png"))
    np.testing.assert_array_equal(made[:4], known[:4])
    assert not np.array_equal(made[4:], known[4:])
    for other, error in ((mask[:6], "another size"), (np.zeros_like(mask), "Nothing in the mask")):
        Image.fromarray(other).save(tmp_path / "mask.png")
        said = capas_here(capsys, *asked, "-o", tmp_path / "again")
        assert said.code == 2
        assert error in said.err


def test_redrawing_follows_the_picture_less_the_stronger_it_is(
    run: Path, bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if run.name != "ddpm":
        pytest.skip("it draws from noise alone")
    image = sorted((bars / "lies").iterdir())[0]
    far = []
    for strength in ("0.05", "1"):
        out = tmp_path / f"{strength}.png"
        assert capas_here(capsys, "edit", run, image, "--strength", strength, "-o", out).code == 0
        far.append(np.abs(np.array(Image.open(out)).astype(float) - np.array(Image.open(image))).mean())
    assert far[0] < far[1] / 2
    assert capas_here(capsys, "edit", run, image, "--strength", "1.5", "-o", tmp_path / "x.png").code == 2
    for given in ((image, "--inspect"), (image, "--traverse", "s1"), ("--from", "latents.json")):
        said = capas_here(capsys, "edit", run, *given, "--strength", "0.5", "-o", tmp_path / "x.png")
        assert said.code == 2
        assert "goes with no other way" in said.err
    assert not (tmp_path / "x.png").exists()


def test_a_generator_answers_nothing(run: Path, bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = capas_here(capsys, "predict", run, bars)
    assert said.code == 2
    assert "draws new pictures" in said.err
    with pytest.raises(CapasError) as error:
        capas.load(run).export(bars / "x.onnx")
    assert error.value.key == "export_not_possible"


def test_the_report_shows_samples_and_copies(run: Path) -> None:
    report = make_report(str(run), "quick")
    page = report.page.read_text(encoding="utf-8")
    assert "Samples as they come" in page
    assert "The samples nearest to a training picture" in page
    done = {theme.name for theme in report.themes if theme.not_computed_because is None}
    assert done == {"quality", "leakage"}


def test_tested_on_other_data(run: Path, bars: Path) -> None:
    figures = capas.test(run, data=str(bars))
    assert "near_copies" not in figures["metrics"]


def test_without_classes(bars: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "network.name": "dcgan", "network.width": 4, "data.target": "none"}
    capas.train(bars, out=tmp_path / "run", settings=settings)
    assert "class_accuracy_score" not in read_metrics(Run(folder=tmp_path / "run"))["metrics"]
    assert capas.generate(tmp_path / "run", 2).shape == (2, 8, 8)
    with pytest.raises(CapasError) as error:
        capas.generate(tmp_path / "run", 1, conditions=["lies"])
    assert error.value.key == "no_conditions"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"network.name": "compact"}, "network_not_for"),
        ({"network.name": "dcgan", "data.image_size": 30}, "side_not_made"),
        ({"method.name": "vae"}, "method_not_for"),
    ],
)
def test_what_cannot_be_learnt(settings: dict[str, object], key: str, bars: Path, tmp_path: Path) -> None:
    with pytest.raises(CapasError) as error:
        capas.train(bars, out=tmp_path / "run", settings={**SMALL, **settings})
    assert error.value.key == key


def test_too_few_pictures(bars: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(bars.rglob("*.png"))[:12]:
        (few / path.name).write_bytes(path.read_bytes())
    with pytest.raises(CapasError) as error:
        capas.train(few, out=tmp_path / "run", settings=SMALL)
    assert error.value.key == "too_few_to_generate"


@pytest.mark.parametrize("cells", ["1,2", "a long text of more than eight words stands in this cell,2"])
def test_a_table_of_rows_or_texts_is_refused(cells: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n" + f"{cells}\n" * 50)
    with pytest.raises(CapasError) as error:
        capas.look(tmp_path / "rows.csv", settings={"data.task": "generate"})
    assert error.value.key == "generate_wants_pictures"


class Stuck:
    """A generator that has collapsed to one of its training images."""

    choices: frozenset[SamplingChoice] = frozenset()
    evaluations = 1

    def __init__(self, image: Tensor) -> None:
        self.image = image

    def draw(self, rngs: Sequence[torch.Generator], classes: Tensor | None, options: SamplingOptions = USUAL) -> Tensor:
        return self.image.expand(len(rngs), -1, -1, -1)


def test_a_collapse_to_a_copy_shows_in_every_figure() -> None:
    rng = torch.Generator().manual_seed(0)
    train, test = (
        KnownImages(
            names=list(map(str, range(60))), images=torch.rand(60, 1, 8, 8, generator=rng) * 2 - 1, classes=None
        )
        for _ in range(2)
    )
    found = evaluate_generator(Stuck(train.images[7]), test, train=train, class_names=(), seed=0)
    assert found.further["spread"] == 0
    assert found.metrics["near_copies"] == rate(100, 100).as_json()
    assert {row[2] for row in found.rows[1:]} == {"7"}
    coverage, other = found.metrics["sample_coverage"], found.further["real_images"]["sample_coverage"]  # type: ignore[index]
    assert coverage["value"] < 0.2 < other["value"]  # type: ignore[index]


def test_the_report_says_that_it_collapsed(run: Path, tmp_path: Path) -> None:
    if run.name != "dcgan":
        pytest.skip("once is enough")
    copy = shutil.copytree(run, tmp_path / "run")
    figures = json.loads((copy / "metrics.json").read_text())
    (copy / "metrics.json").write_text(json.dumps({**figures, "spread": 0.05}))
    assert "samples_collapsed" in [finding["key"] for finding in make_report(str(copy), "quick").tree["findings"]]
    figures["metrics"]["near_copies"] = rate(40, 100).as_json()
    (copy / "metrics.json").write_text(json.dumps({**figures, "spread": 1.0}))
    found = {finding["key"]: finding["gravity"] for finding in make_report(str(copy), "quick").tree["findings"]}
    assert found["samples_are_copies"] == "problem"
    assert "samples_collapsed" not in found


def test_too_few_pictures_can_still_be_looked_at(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted(bars.rglob("*.png"))[:12]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said = capas_here(capsys, "look", tmp_path, "--task", "generate")
    assert said.code == 0
    assert "learn each by heart" in said.out
    tree = json.loads(capas_here(capsys, "look", tmp_path, "--task", "generate", "--json").out)
    assert tree["training_seconds"] is None
    assert "learn each by heart" in tree["not_learnable"]
