"""A detector is fitted, measured by strange inputs, and left in the bundle: with features that are known."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from capas.bundle.card import read_card, write_card
from capas.core.i18n import say
from capas.trust.ood.detector import DETECTOR_FILE, load_detector
from capas.trust.rendering.blocks import Grid
from capas.trust.subjects.structured import OODFeatureExtractor, OODFeatures, StructuredModelUnderTest
from capas.trust.theme import Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.ood import ood_theme
from tests.trust.made_models import StubAdapter, asked, grid, halves_subject, made_context, texts_of


class Angles(OODFeatureExtractor):
    """Inputs are directions in the plane: usual ones within ±0.1, noise opposite, other probes as told."""

    def __init__(self, *, noise: float = 3.0, other: float = 1.0) -> None:
        self.probes = {"noise": noise, "mixed_letters": other}

    def ood_features(self, prepared: object) -> OODFeatures:
        angle = torch.as_tensor(prepared, dtype=torch.float32)
        return OODFeatures(features=torch.stack([angle.cos(), angle.sin()]), views=None)

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        assert all(isinstance(one, float) for one in prepared)
        return {name: [one + angle for one in prepared if isinstance(one, float)]
                for name, angle in self.probes.items()}  # fmt: skip

    def display_image(self, prepared: object) -> NDArray[np.uint8] | None:
        return None


class Directions(StubAdapter):
    """Each example is its own direction, drawn by its index."""

    def prepared(self, index: int) -> object:
        return float(np.random.default_rng(index).uniform(-0.1, 0.1))


def structured(folder: Path, extractor: Angles | None, *, validation: int = 100) -> Theme:
    splits = ["train"] * 100 + ["validation"] * validation + ["test"] * 60
    n = len(splits)
    made = made_context(texts_of([str(i) for i in range(n)]), [None] * n, splits, task="label", kind="tokens")  # type: ignore[arg-type]
    adapter = Directions("words", feature_extractor=extractor)
    subject = StructuredModelUnderTest(adapter, made.record, made.indices, 0)
    (folder / "bundle").mkdir()
    context = made_context(texts_of([str(i) for i in range(n)]), [None] * n, splits, task="label", kind="tokens",  # type: ignore[arg-type]
                           structured=subject, folder=folder)  # fmt: skip
    write_card(folder / "bundle" / "card.json", context.card)
    return ood_theme(ThemeContext(run_context=context, subject=None, level="standard"))


def value(found: Theme, probe: str, name: str) -> float:
    probes = cast(Mapping[str, Mapping[str, Mapping[str, float]]], found.facts["probes"])
    return probes[probe][name]["value"]


def keys(found: Theme) -> list[str]:
    return [one.key for one in found.findings]


def test_what_lies_elsewhere_is_detected_at_the_wanted_rate_of_alarms(tmp_path: Path) -> None:
    found = structured(tmp_path, Angles())
    assert value(found, "noise", "detected") == value(found, "mixed_letters", "auroc") == 1
    alarms = cast(Mapping[str, float], found.facts["false_alarms"])
    assert alarms["n"] == 60 and alarms["value"] <= 0.15 and found.facts["false_alarms_wanted"] == 0.05
    assert found.facts["scores"] == ["nearest"] and found.findings == []
    # Nothing to look at: the most unusual are named instead.
    table = grid(found.blocks, say("trust.unlike.most_unusual"))
    assert isinstance(table, Grid) and len(table.rows) == 6
    named = [int(row[0].removeprefix("t.csv:")) for row in table.rows]
    assert min(named) >= 200
    angles = [abs(cast(float, Directions("words").prepared(i))) for i in named]
    assert min(angles) > 0.05


def test_the_detector_is_left_in_the_bundle_and_belongs_to_the_model(tmp_path: Path) -> None:
    structured(tmp_path, Angles())
    card = read_card(tmp_path / "bundle" / "card.json")
    detector = load_detector(tmp_path / "bundle", card)
    assert detector is not None and detector.combination is not None
    usual, strange = (detector.structured_scores([Angles().ood_features(angle)]) for angle in (0.0, 2.0))
    assert detector.combination.is_ood(strange).tolist() == [True]
    assert detector.combination.is_ood(usual).tolist() == [False]


def test_strange_inputs_that_are_not_noticed_are_told(tmp_path: Path) -> None:
    found = structured(tmp_path, Angles(other=0.0))
    assert keys(found) == ["misses_strange_inputs"] and "scrambled letters" in found.findings[0].text


def test_a_score_that_takes_noise_for_its_own_is_switched_off(tmp_path: Path) -> None:
    found = structured(tmp_path, Angles(noise=0.0))
    assert keys(found) == ["takes_noise_for_its_own"] and found.facts == {"switched_off": ["nearest"]}
    assert not (tmp_path / "bundle" / DETECTOR_FILE).exists()


class SeldomNoise(Angles):
    """Seven of ten of its noises are like the usual inputs."""

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        made = super().ood_probes(prepared, rng)
        pairs = enumerate(zip(made["noise"], prepared, strict=True))
        return {**made, "noise": [far if k % 10 < 3 else near for k, (far, near) in pairs]}


def test_noise_that_is_seldom_noticed_is_told_by_itself(tmp_path: Path) -> None:
    found = structured(tmp_path, SeldomNoise())
    # A third is noticed; of the others half are as unusual as the test examples.
    assert 0.3 <= value(found, "noise", "detected") < 0.37
    assert value(found, "noise", "auroc") == pytest.approx(0.3 + 0.7 / 2, abs=0.03)
    assert keys(found) == ["takes_noise_for_its_own"] and found.facts["switched_off"] == []


@pytest.mark.parametrize("extractor", [None, Angles()])
def test_without_features_or_examples_to_set_a_threshold_by_there_is_none(
    extractor: Angles | None, tmp_path: Path
) -> None:
    found = structured(tmp_path, extractor, validation=39)
    assert found.status == "not_computed"
    assert ("39" in str(found.not_computed_because)) == (extractor is not None)


def test_pictures_of_one_answer_have_every_score_but_no_autoencoder_when_quick(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    labels = [i % 2 for i in range(260)]
    subject = halves_subject(labels, ["train"] * 100 + ["validation"] * 100 + ["test"] * 60, folder=tmp_path)
    write_card(tmp_path / "bundle" / "card.json", subject.run_context.card)
    found = ood_theme(asked(subject, "quick"))
    scores = {*cast(Sequence[str], found.facts["scores"]), *cast(Sequence[str], found.facts["switched_off"])}
    assert scores == {"nearest", "energy", "nearest_wide", "ranges"}
    assert value(found, "noise", "detected") == 1 and value(found, "tiles", "detected") > 0.9
    assert (tmp_path / "bundle" / DETECTOR_FILE).is_file()
    each = cast(Mapping[str, Mapping[str, object]], found.facts["each_score"])
    assert set(each) == scores and all(set(one) == {"noise", "rotated", "inverted", "tiles", "blank"}
                                       for one in each.values())  # fmt: skip


def test_too_few_pictures_to_set_a_threshold_by() -> None:
    for validation in (0, 39):
        subject = halves_subject([0, 1] * 30, ["validation"] * validation + ["test"] * (60 - validation))
        found = ood_theme(asked(subject))
        assert found.not_computed_because == say("trust.unlike.too_few", n=validation, least=40)
