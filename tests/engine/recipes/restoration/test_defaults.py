"""Default values of picture problems, from their number, their colours and their sizes."""

from collections.abc import Mapping

import pytest

from capas.core.errors import CapasError
from capas.data.image.io import ImageArray
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.recipes.restoration.defaults import patches_per_picture, resolve_defaults
from tests.engine.recipes.made_work import image_statistics_of, pixels, report_of, spec_of


def report(*, modes: tuple[str, ...] = ("RGB",), paired: int = 0, train: int = 100) -> DatasetReport:
    """``train`` pictures, with targets ``paired`` times as large."""
    targets = ImageArray(pixels(2, 4 * paired, 5 * paired), "t") if paired else None
    full = report_of(
        ImageArray(pixels(2, 4, 5), "p"), spec_of("transform", "image"), ["train"] * 2, targets=targets,
        statistics=image_statistics_of(5, 4, modes),
    )  # fmt: skip
    object.__setattr__(full, "split", ("train",) * train + ("test",) * 7)
    return full


def resolved(settings: Mapping[str, object], given: DatasetReport) -> Config:
    return resolve_defaults(Config().merged(settings), given).config


@pytest.mark.parametrize(("examples", "patches"), [(1, 64), (25, 64), (50, 32), (100, 16), (1600, 1), (100_000, 1)])
def test_an_epoch_has_about_1600_patches_or_one_of_each_picture(examples: int, patches: int) -> None:
    assert patches_per_picture(examples) == patches


@pytest.mark.parametrize(
    ("kind", "name", "size", "width"),
    [("denoise", "dncnn", 96, 32), ("inpaint", "dncnn", 96, 32), ("super-resolve", "super-resolution", 96, 32),
     ("colourise", "colouriser", 128, 16)],
)  # fmt: skip
def test_each_kind_has_its_network(kind: str, name: str, size: int, width: int) -> None:
    config = resolved({"transform.kind": kind}, report())
    assert (config.network.name, config.network.width, config.data.image_size) == (name, width, size)
    assert (config.transform.kind, config.data.channels, config.network.pretrained) == (kind, 3, False)
    assert config.transform.factor == (2 if kind == "super-resolve" else "auto")
    assert (config.train.batch_size, config.optim.optimizer, config.optim.learning_rate) == (16, "adamw", 1e-3)


@pytest.mark.parametrize(("train", "epochs"), [(100, 10.0), (1, 250.0), (10_000, 5.0)])
def test_training_is_on_about_16000_patches(train: int, epochs: float) -> None:
    assert resolved({"transform.kind": "denoise"}, report(train=train)).train.epochs == epochs


@pytest.mark.parametrize(("paired", "name"), [(1, "dncnn"), (3, "super-resolution")])
def test_pairs_say_their_own_kind_and_factor(paired: int, name: str) -> None:
    config = resolved({}, report(paired=paired))
    assert (config.transform.kind, config.network.name) == ("pairs", name)
    assert config.transform.factor == (paired if paired > 1 else "auto")


def test_what_the_user_set_is_kept() -> None:
    settings: dict[str, object] = {
        "transform.kind": "super-resolve", "transform.factor": 4, "data.channels": 1, "network.width": 5,
        "train.epochs": 2.5, "train.batch_size": 3, "optim.optimizer": "sgd", "data.image_size": 40,
    }  # fmt: skip
    config = resolved(settings, report())
    tree = config.model_dump()
    assert all(tree[key.split(".")[0]][key.split(".")[1]] == value for key, value in settings.items())


def test_grey_pictures_have_one_channel() -> None:
    assert resolved({"transform.kind": "denoise"}, report(modes=("L",))).data.channels == 1


@pytest.mark.parametrize(
    ("settings", "given", "key", "where"),
    [
        ({}, {}, "transform_kind_missing", "transform.kind"),
        ({"transform.kind": "pairs"}, {}, "transform_no_pairs", "made"),
        ({"transform.kind": "denoise"}, {"paired": 1}, "transform_kind_of_pairs", "transform.kind"),
        ({"transform.kind": "colourise"}, {"modes": ("L",)}, "transform_grey", "made"),
        ({"transform.kind": "colourise", "data.channels": 1}, {}, "transform_grey", "made"),
        ({"transform.kind": "denoise", "network.name": "colouriser"}, {}, "network_not_for", "network.name"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_is_refused(
    settings: Mapping[str, object], given: Mapping[str, int], key: str, where: str
) -> None:
    with pytest.raises(CapasError) as error:
        resolved(settings, report(**given))  # type: ignore[arg-type]
    assert (error.value.key, error.value.where) == (key, where)


def test_the_reasons_name_network_size_and_epochs() -> None:
    reasons = resolve_defaults(Config().merged({"transform.kind": "denoise"}), report()).reasons
    assert "dncnn" in reasons[0] and "96" in reasons[0] and "10" in reasons[1] and "100" in reasons[1]
