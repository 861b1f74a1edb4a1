"""From picture to picture: what is learnt on made-up pictures, whole pictures alone as in tiles, and bad ones."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from capas.core.errors import CapasError
from capas.data.image.color import rgb_to_lab
from capas.data.image.degradations import inpainting_mask, make_degraded_pair, mask_out, to_float_tensor
from capas.data.inspect.read_dataset import input_collection
from capas.data.inspect.report import inspect_dataset
from capas.engine.distributed import Ranks
from capas.engine.evaluate import evaluate_on as retested
from capas.engine.execution import Execution
from capas.engine.plan import config_for_data, dataset_record_of, make_plan
from capas.engine.predict import load_model
from capas.engine.recipe import PreparedDataset
from capas.engine.recipes.restoration.evaluate import measure_quality
from capas.engine.recipes.restoration.learn import RestorationJob
from capas.engine.recipes.restoration.recipe import recipe
from capas.engine.recipes.restoration.restorer import Restorer
from capas.engine.recipes.restoration.tiling import apply_in_tiles
from tests.harness import FIXED, train_here

PLAIN = Execution(device="cpu", precision="float32", memory_format="contiguous", threads=1, reason="")
SETTINGS: Mapping[str, object] = {
    **FIXED, "train.batch_size": 8, "train.epochs": 0.4, "data.image_size": 32, "train.evaluations": 1,
    "optim.learning_rate": 0.004,
}  # fmt: skip


def stripes(seed: int, side: int = 48) -> Image.Image:
    """Sharp stripes in two colours: light ones orange, dark ones blue."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    wave = np.sin(x * chance.uniform(0.2, 0.6) + y * chance.uniform(0.2, 0.6) + chance.uniform(0, 6)) > 0
    colours = np.array([[30, 40, 120], [240, 150, 40]])
    return Image.fromarray((colours[wave.astype(int)] + chance.integers(-5, 6, (side, side, 1))).astype(np.uint8))


def write_pictures(root: Path, count: int = 24) -> Path:
    root.mkdir(parents=True)
    for i in range(count):
        stripes(i).save(root / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("stripes") / "data")


def trained(data: Path, out: Path, **settings: object) -> Path:
    named = {key.replace("__", "."): value for key, value in settings.items()}
    return train_here(data, out, {**SETTINGS, "data.task": "transform", **named})


@pytest.mark.parametrize("kind", ["super-resolve", "denoise", "inpaint", "colourise"])
def test_each_kind_beats_not_learning_and_its_bundle_answers_alike(kind: str, data: Path, tmp_path: Path) -> None:
    run = trained(data, tmp_path / "run", transform__kind=kind)
    figures = json.loads((run / "metrics.json").read_text())
    headline = next(iter(figures["metrics"]))
    assert headline == ("delta_e" if kind == "colourise" else "psnr")
    (other,) = figures["baseline"].values()
    better = figures["metrics"][headline]["value"] - other[headline]["value"]
    assert better < 0 if kind == "colourise" else better > 0, (kind, figures)
    assert figures["metrics"]["psnr_gain"]["value"] == pytest.approx(
        figures["metrics"]["psnr"]["value"] - other["psnr"]["value"], abs=1e-3
    )
    again = retested(run, str(write_pictures(tmp_path / "more", 30)))
    assert again["left_out"] and abs(again["metrics"]["psnr"]["value"] - figures["metrics"]["psnr"]["value"]) < 6
    model = load_model(run)
    given = holed(stripes(90)) if kind == "inpaint" else np.asarray(stripes(90))
    small = holed(stripes(91, 20)) if kind == "inpaint" else np.asarray(stripes(91, 20))
    first, second = model.predict([given, small])
    scale = 2 if kind == "super-resolve" else 1
    assert first.picture.shape == (48 * scale, 48 * scale, 3) and second.picture.shape == (20 * scale, 20 * scale, 3)
    assert np.array_equal(model.predict([small])[0].picture, second.picture)


def holed(picture: Image.Image) -> np.ndarray:
    pixels = np.array(picture.convert("RGBA"))
    pixels[4:10, 4:10, 3] = 0
    return pixels


def test_colouring_keeps_the_lightness(data: Path, tmp_path: Path) -> None:
    model = load_model(trained(data, tmp_path / "run", transform__kind="colourise", train__epochs=0.05))
    grey = np.full((300, 400), 128, np.uint8)  # mid grey, in the gamut whatever the small colours found
    (answer,) = model.predict([grey])
    before, after = (rgb_to_lab(to_float_tensor(p)[None])[0, 0] for p in (np.stack([grey] * 3, -1), answer.picture))
    assert answer.picture.shape == (300, 400, 3) and (before - after).abs().median() < 3


@pytest.mark.parametrize("scale", [1, 2])
def test_pairs_are_learnt_at_their_own_scale(scale: int, tmp_path: Path) -> None:
    root = tmp_path / "data"
    for folder in ("input", "target"):
        (root / folder).mkdir(parents=True)
    for i in range(16):
        wanted = stripes(i)
        wanted.save(root / "target" / f"{i}.png")
        given = wanted.resize((48 // scale, 48 // scale), Image.Resampling.BICUBIC)
        Image.fromarray(255 - np.asarray(given) if scale == 1 else np.asarray(given)).save(root / "input" / f"{i}.png")
    Image.new("RGB", (9, 7)).save(root / "target" / "3.png")
    (root / "target" / "4.png").write_bytes(b"no picture")
    kinds = {problem.kind: problem.examples for problem in inspect_dataset(root).problems}
    assert kinds["pair_differs"] == ("target/3.png",) and kinds["broken_target"] == ("target/4.png",)
    run = train_here(root, tmp_path / "run", {**SETTINGS, "train.epochs": 1.5})
    figures = json.loads((run / "metrics.json").read_text())
    assert set(figures["baseline"]) == {"unchanged" if scale == 1 else "bicubic"}
    assert figures["metrics"]["psnr_gain"]["value"] > 0
    (answer,) = load_model(run).predict([np.zeros((1, 1), np.uint8)])
    assert answer.picture.shape == (scale, scale, 3)


@pytest.mark.parametrize(("kind", "scale"), [("denoise", 1), ("inpaint", 1), ("super-resolve", 3)])
def test_tiles_do_not_show(kind: str, scale: int) -> None:
    restorer = Restorer(kind=kind, channels=1, scale=scale, width=4)  # type: ignore[arg-type]
    network = restorer.network()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    given = torch.rand(2 if kind == "inpaint" else 1, 90, 130)
    whole = network.eval()(given[None])[0]
    torch.testing.assert_close(apply_in_tiles(network, given, scale, PLAIN, tile=48), whole, atol=1e-5, rtol=1e-4)


def test_made_pairs_are_what_they_say() -> None:
    picture = np.asarray(stripes(5, 30))
    rng = torch.Generator().manual_seed(3)
    small = make_degraded_pair("super-resolve", picture, factor=4, noise=1, rng=rng, training=False)
    assert small.source.shape == (3, 7, 7) and small.target.shape == (3, 28, 28)
    tiny = make_degraded_pair("super-resolve", picture[:1, :2], factor=4, noise=1, rng=rng, training=False)
    assert tiny.source.shape == (3, 1, 1) and tiny.target.shape == (3, 4, 4)
    noisy = make_degraded_pair(
        "denoise", np.full((64, 64, 1), 128, np.uint8), factor=1, noise=20, rng=rng, training=False
    )
    assert (noisy.source - noisy.target).std() * 255 == pytest.approx(20, rel=0.1)
    mask = inpainting_mask(64, 64, rng)
    assert 0 < mask.mean() < 0.3 and inpainting_mask(1, 1, rng).sum() == 0
    filled = mask_out(to_float_tensor(np.full((64, 64, 3), 51, np.uint8)), mask)
    torch.testing.assert_close(filled[:3], torch.full((3, 64, 64), 0.2))
    assert torch.equal(filled[3:], mask)


def test_equal_pictures_are_as_good_as_can_be_written_down() -> None:
    same = measure_quality(torch.ones(3, 5, 20), torch.ones(3, 5, 20))
    assert same.psnr == 100 and same.ssim is None and same.delta_e == 0


@pytest.mark.parametrize(
    ("settings", "key"),
    [({}, "transform_kind_missing"), ({"transform.kind": "pairs"}, "transform_no_pairs"),
     ({"transform.kind": "denoise", "network.name": "unet"}, "network_not_for")],
)  # fmt: skip
def test_what_cannot_be_is_refused(settings: Mapping[str, object], key: str, data: Path) -> None:
    with pytest.raises(CapasError) as caught:
        make_plan(config_for_data(str(data), {"data.task": "transform", **settings}))
    assert caught.value.key == key and str(caught.value)


def test_grey_pictures_have_no_colours_to_learn(tmp_path: Path) -> None:
    for i in range(6):
        stripes(i).convert("L").save(tmp_path / f"{i}.png")
    with pytest.raises(CapasError) as caught:
        make_plan(config_for_data(str(tmp_path), {"data.task": "transform", "transform.kind": "colourise"}))
    assert caught.value.key == "transform_grey"


def test_bad_inputs_cost_one_refusal(data: Path, tmp_path: Path) -> None:
    model = load_model(trained(data, tmp_path / "run", transform__kind="inpaint", train__epochs=0.05))
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(holed(stripes(1))).save(tmp_path / "holed.png")
    stripes(1).save(tmp_path / "whole.png")
    names = ("text.png", "whole.png", "holed.png", "none.png")
    answers = model.predict([*(tmp_path / name for name in names), np.zeros((4, 4), np.float32), 7])
    assert [answer.refused is None for answer in answers] == [False, False, True, False, False, False]
    kept = np.asarray(stripes(1)).astype(int)
    kept[4:10, 4:10] = answers[2].picture[4:10, 4:10]
    assert np.array_equal(answers[2].picture, kept)


@pytest.mark.parametrize("kind", ["denoise", "inpaint", "super-resolve"])
def test_a_batch_is_a_function_of_its_step(kind: str, data: Path, tmp_path: Path) -> None:
    first, again = (_prepared(data, kind, tmp_path).batches for _ in range(2))
    one, other = first.batch(7), again.batch(7)
    assert torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)
    assert not torch.equal(one.targets, first.batch(8).targets)


def _prepared(data: Path, kind: str, cache: Path) -> RestorationJob:
    plan = make_plan(config_for_data(str(data), {**SETTINGS, "data.task": "transform", "transform.kind": kind}))
    spec = plan.look.detection.spec
    work = PreparedDataset(
        config=plan.config,
        spec=spec,
        record=dataset_record_of(plan),
        inputs=input_collection(plan.look.source, spec),
        targets=None,
        indices=[i for i, usable in enumerate(plan.look.usable) if usable],
        cache=cache,
    )
    return recipe.prepare(work, Ranks())
