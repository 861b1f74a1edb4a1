"""The recipe of picture problems: a trial batch as training has them, and the bundle of a job opens again."""

from collections.abc import Mapping

import pytest
import torch

from capas.data.image.degradations import DegradationKind
from capas.data.image.io import ImageArray
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipes.restoration.recipe import recipe
from tests.engine.recipes.made_work import (
    bundle_of,
    image_statistics_of,
    pixels,
    report_of,
    spec_of,
    work_of,
)
from tests.harness import step_context

SPEC = spec_of("transform", "image")
SETTINGS: Mapping[str, object] = {
    "data.channels": 3, "data.image_size": 9, "network.width": 4, "train.batch_size": 4, "data.memory_mb": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "factor", "source", "target"),
    [
        ("denoise", "dncnn", "auto", (3, 9, 9), (3, 9, 9)),
        ("inpaint", "dncnn", "auto", (4, 9, 9), (3, 9, 9)),
        ("colourise", "colouriser", "auto", (1, 9, 9), (2, 9, 9)),
        # 9 pixels hold 4 of a half of them.
        ("super-resolve", "super-resolution", 2, (3, 4, 4), (3, 8, 8)),
        ("pairs", "super-resolution", 2, (3, 4, 4), (3, 8, 8)),
    ],
)
def test_a_trial_batch_has_the_shapes_of_training(
    kind: DegradationKind, name: str, factor: object, source: tuple[int, ...], target: tuple[int, ...]
) -> None:
    settings = {**SETTINGS, "transform.kind": kind, "network.name": name, "transform.factor": factor}
    report = report_of(ImageArray(pixels(2, 20, 20), "p"), SPEC, ["train", "train"])
    trial = recipe.trial(Config().merged(settings), report)
    assert trial.batch.inputs.shape == (4, *source) and trial.batch.targets.shape == (4, *target)
    assert trial.examples == 1  # two pictures give 64 patches each
    (phase,) = trial.objective.phases
    loss = trial.objective.losses(trial.batch, phase, step_context())["loss"]
    assert loss.isfinite() and loss.requires_grad


def test_many_pictures_give_an_example_for_each_patch() -> None:
    report = report_of(ImageArray(pixels(1, 20, 20), "p"), SPEC, ["train"] * 5000)
    settings = {**SETTINGS, "transform.kind": "denoise", "network.name": "dncnn"}
    assert recipe.trial(Config().merged(settings), report).examples == 4


def test_a_job_s_bundle_answers_as_the_job() -> None:
    pictures = ImageArray(pixels(3, 16, 16), "p")
    report = report_of(pictures, SPEC, ["train", "test", "train"], statistics=image_statistics_of(16, 16))
    chosen = {"transform.kind": "denoise", "network.width": 4, "data.memory_mb": 8}
    config = recipe.resolve_defaults(Config().merged(chosen), report).config
    settings = {f"{s}.{k}": v for s, values in config.model_dump().items() for k, v in values.items()}
    job = recipe.prepare(work_of(pictures, SPEC, ["train", "test", "train"], settings), Ranks())
    network = job.objective.network.eval()
    torch.nn.init.normal_(network.get_parameter("noise.0.weight"))
    opened = recipe.reopen(bundle_of(SPEC, job.network_card(), job.bundle_files(), network.state_dict()))
    source = torch.rand(1, 3, 6, 6)
    assert torch.equal(opened.network(source), network(source)) and opened.restorer.noise == 25.0
