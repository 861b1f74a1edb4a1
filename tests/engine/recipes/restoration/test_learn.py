"""Jobs of picture problems: patches are cut alike from input and target; a fresh denoiser changes nothing."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from capas.core.rng import derive_seed
from capas.data.image.io import ImageArray
from capas.engine.distributed import Ranks
from capas.engine.recipes.restoration.learn import RestorationJob
from tests.engine.recipes.made_work import FLOAT32, parameters_of, pixels, spec_of, work_of

SETTINGS: Mapping[str, object] = {
    "data.channels": 3, "data.image_size": 8, "network.width": 4, "network.name": "dncnn", "train.batch_size": 4,
    "transform.kind": "denoise", "data.memory_mb": 8,
}  # fmt: skip
SPLITS = ("test", "train", "train", "validation")


def job(**changes: object) -> RestorationJob:
    settings = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    pictures = pixels(4, 20, 24)
    scale = int(str(settings.get("transform.factor", 1)))
    paired = settings["transform.kind"] == "pairs"
    targets = ImageArray(pictures.repeat(scale, 1).repeat(scale, 2), "t") if paired else None
    work = work_of(ImageArray(pictures, "p"), spec_of("transform", "image"), SPLITS, settings, targets=targets)
    return RestorationJob(work, Ranks())


@pytest.mark.parametrize("scale", [1, 2])
def test_a_patch_and_its_target_are_the_same_place_turned_alike(scale: int) -> None:
    larger = {"transform__factor": scale, "network__name": "super-resolution"} if scale > 1 else {}
    held = job(transform__kind="pairs", **larger)
    sources = set()
    for step in range(6):
        batch = held.batches.batch(step)
        assert batch.inputs.shape == (4, 3, 8 // scale, 8 // scale) and batch.targets.shape == (4, 3, 8, 8)
        torch.testing.assert_close(batch.targets, batch.inputs.repeat_interleave(scale, 2).repeat_interleave(scale, 3))
        sources |= {int(position) for position in batch.positions}
    assert sources == {1, 2}


def test_each_picture_gives_many_patches_per_epoch() -> None:
    held = job()
    assert held.batches.examples == 2 * 64 and held.batches.steps_per_epoch == 32


def test_noise_is_added_up_to_its_strength_and_patches_are_of_the_picture() -> None:
    held = job(transform__noise=25.0)
    batch = held.batches.batch(0)
    deviation = (batch.inputs - batch.targets).flatten(1).std(1)
    assert float(deviation.min()) > 0 and float(deviation.max()) < 1.3 * 25 / 255
    levels = (batch.targets * 255).round()
    torch.testing.assert_close(levels / 255, batch.targets)
    picture = torch.from_numpy(pixels(4, 20, 24)[int(batch.positions[0])].astype(np.float32)).permute(2, 0, 1)
    windows = picture.unfold(1, 8, 1).unfold(2, 8, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    turned = [torch.rot90(mirrored, k, (1, 2)) for mirrored in (levels[0], levels[0].flip(2)) for k in range(4)]
    assert any(bool((windows == one).flatten(1).all(1).any()) for one in turned)


def test_colours_are_never_turned_upside_down() -> None:
    ramp = np.arange(20, dtype=np.uint8)[None, :, None, None] * 10 + np.zeros((4, 20, 24, 3), np.uint8)
    settings = {**SETTINGS, "transform.kind": "colourise", "network.name": "colouriser"}
    held = RestorationJob(work_of(ImageArray(ramp, "p"), spec_of("transform", "image"), SPLITS, settings), Ranks())
    for step in range(5):
        lightness = held.batches.batch(step).inputs[:, 0]
        assert bool((lightness.diff(dim=1) > 0).all()) and float(lightness.diff(dim=2).abs().max()) < 1e-4


def test_what_is_evaluated_is_whole_and_the_same_every_time() -> None:
    held = job()
    one, again, other = held.pair(3), job().pair(3), held.pair(0)
    assert torch.equal(one.source, again.source) and one.source.shape == (3, 20, 24)
    assert not torch.equal(one.source - one.target, other.source - other.target)
    middle = held.pair(3, 10)
    torch.testing.assert_close(middle.target, one.target[:, 5:15, 7:17])
    pair = job(transform__kind="pairs").pair(0, 10)
    assert torch.equal(pair.source, pair.target) and pair.source.shape == (3, 10, 10)


def test_a_fresh_denoiser_changes_nothing() -> None:
    held = job()
    assert held.has_validation and held.head is None
    score = held.validate(FLOAT32)
    pair = held.pair(3, 256)
    squared = float((pair.source - pair.target).square().mean())
    assert (score.metric, score.n) == ("psnr", 1)
    assert score.value == pytest.approx(-10 * np.log10(squared), abs=1e-3)
    assert score.loss == pytest.approx(float((pair.source - pair.target).abs().mean()), abs=1e-5)
    found = held.test(FLOAT32)
    gain = found.metrics["psnr_gain"]
    assert found.n == 1 and found.rows[1][0] == "p/00000"
    assert isinstance(gain, dict) and gain["value"] == pytest.approx(0, abs=1e-6)


def test_the_card_and_the_files_describe_the_network() -> None:
    held = job(transform__noise=10.0)
    card = held.network_card()
    assert card.name == "dncnn" and card.settings == {"width": 4, "scale": 1} and card.paper
    assert card.parameters == parameters_of(held.objective.network)
    assert held.bundle_files() == {
        "preparation.json": {"kind": "denoise", "channels": 3, "scale": 1, "width": 4, "noise": 10.0}
    }


def test_weights_follow_from_the_seed() -> None:
    one, same, other = (job(train__seed=seed).objective.network.state_dict() for seed in (5, 5, 6))
    first = "noise.0.weight"
    assert torch.equal(one[first], same[first]) and not torch.equal(one[first], other[first])
    assert derive_seed(5, "weights") != derive_seed(6, "weights")
