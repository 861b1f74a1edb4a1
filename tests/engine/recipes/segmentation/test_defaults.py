"""Default values for pictures with masks, and the size that all become."""

from collections.abc import Mapping

import pytest

from capas.core.errors import CapasError
from capas.data.image.io import ImageArray
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.recipes.segmentation import defaults as module
from capas.engine.recipes.segmentation.defaults import resolve_defaults, target_image_size
from tests.engine.recipes.made_work import image_statistics_of, pixels, report_of, spec_of


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With pretrained weights, whatever is installed here."""
    monkeypatch.setattr(module, "lite0_weights_installed", lambda: True)


def report(*, train: int = 80, side: int = 100, modes: tuple[str, ...] = ("RGB",), classes: tuple[str, ...] = ("sky",
           "sea")) -> DatasetReport:  # fmt: skip
    return report_of(
        ImageArray(pixels(1, 4, 5), "p"), spec_of("label", "image", classes=classes), ["train"] * train + ["test"] * 9,
        statistics=image_statistics_of(side, side // 2, modes),
    )  # fmt: skip


def resolved(settings: Mapping[str, object], given: DatasetReport) -> Config:
    return resolve_defaults(Config().merged(settings), given).config


@pytest.mark.parametrize(
    ("long", "height", "width", "size"),
    [(256, 100, 100, (256, 256)), (256, 50, 100, (128, 256)), (256, 100, 50, (256, 128)), (64, 3, 1000, (32, 64)),
     (256, 75, 100, (192, 256)), (256, 99, 100, (256, 256)), (48, 100, 100, (48, 48))],
)  # fmt: skip
def test_the_short_side_keeps_the_shape_in_steps_of_32(
    long: int, height: float, width: float, size: tuple[int, int]
) -> None:
    assert target_image_size(long, height, width) == size


@pytest.mark.parametrize(("side", "size"), [(10, 32), (100, 96), (120, 128), (2000, 256)])
def test_pictures_become_as_large_as_they_are_within_limits(side: int, size: int) -> None:
    assert resolved({}, report(side=side)).data.image_size == size


def test_colour_pictures_start_from_imagenet_and_grey_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(settings: Mapping[str, object], modes: tuple[str, ...] = ("RGB",)) -> tuple[object, ...]:
        config = resolved(settings, report(modes=modes))
        return config.network.name, config.network.pretrained, config.data.channels

    assert chosen({}) == ("unet-lite0", True, 3)
    assert chosen({}, ("L",)) == ("unet", False, 1)
    assert chosen({"data.channels": 1}) == ("unet", False, 1)
    assert chosen({"network.pretrained": False}) == ("unet", False, 3)
    assert chosen({"network.name": "unet"}) == ("unet", False, 3)
    assert chosen({"network.name": "unet-lite0", "network.pretrained": False}) == ("unet-lite0", False, 3)
    monkeypatch.setattr(module, "lite0_weights_installed", lambda: False)
    assert chosen({}) == ("unet", False, 3) and chosen({"network.name": "unet-lite0"}) == ("unet-lite0", False, 3)


@pytest.mark.parametrize(
    ("train", "batch", "epochs"), [(1, 2, 200.0), (40, 5, 150.0), (80, 8, 75.0), (600, 8, 10.0), (9000, 8, 5.0)]
)
def test_about_six_thousand_pictures_are_seen(train: int, batch: int, epochs: float) -> None:
    config = resolved({}, report(train=train))
    assert (config.train.batch_size, config.train.epochs) == (batch, epochs)


def test_rare_classes_weigh_more_and_sides_are_not_mirrored() -> None:
    config = resolved({}, report())
    assert (config.objective.class_weights, config.augment.flip, config.data.fit) == ("balanced", True, "squash")
    assert (config.augment.cutout, config.network.flip_tta) == (0.0, False)
    assert resolved({}, report(classes=("left wing", "right wing"))).augment.flip is False


def test_what_the_user_set_is_kept() -> None:
    settings: dict[str, object] = {
        "data.image_size": 72, "network.width": 3, "augment.crop": 0.1, "augment.flip": False, "augment.colour": 0.0,
        "objective.class_weights": "none", "train.batch_size": 3, "train.epochs": 2.5, "optim.optimizer": "sgd",
        "optim.learning_rate": 0.5, "optim.weight_decay": 0.25,
    }  # fmt: skip
    tree = resolved(settings, report()).model_dump()
    assert {key: tree[key.split(".")[0]][key.split(".")[1]] for key in settings} == settings


@pytest.mark.parametrize(
    ("settings", "key", "where"),
    [
        ({"network.name": "compact"}, "network_not_for", "network.name"),
        ({"network.name": "unet", "network.pretrained": True}, "no_pretrained", "network.pretrained"),
        ({"data.channels": 1, "network.pretrained": True}, "no_pretrained", "network.pretrained"),
    ],
)
def test_what_cannot_be_is_refused(settings: Mapping[str, object], key: str, where: str) -> None:
    with pytest.raises(CapasError) as error:
        resolved(settings, report())
    assert (error.value.key, error.value.where) == (key, where)


def test_without_weights_pretrained_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "lite0_weights_installed", lambda: False)
    with pytest.raises(CapasError) as error:
        resolved({"network.pretrained": True}, report())
    assert error.value.key == "no_pretrained"
