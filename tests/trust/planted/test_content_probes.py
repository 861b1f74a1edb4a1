"""A hue, a footer, a beep or two columns that give the answer away are told; twins in which they do not are silent."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from capas.core.rng import derive_seed
from capas.data.collections import AudioFiles
from capas.data.image.io import ImageArray
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.naming import SplitName
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.metrics.rate import rate
from capas.trust.explanations.content_probes import content_probe_facts
from capas.trust.explanations.region_importance import RegionImportance
from capas.trust.leakage.class_marks import class_marks
from capas.trust.leakage.giveaway_findings import giveaway_findings
from capas.trust.leakage.target_giveaways import exact_pair, giveaway_pair, telling_gaps
from capas.trust.ood.image_probes import fine_grain, flat_colour
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.themes.explanations_blocks import needed_findings
from tests.trust.made_models import (
    UNSCALED,
    halves_subject,
    made_context,
    made_subject,
    sounds_reader,
    texts_of,
    tone,
    words_reader,
    write_sounds,
)

CLASSES = ("no", "yes")


def halves(n: int, train: int) -> list[SplitName]:
    return ["train"] * train + ["test"] * (n - train)


def keys(subject: ModelUnderTest) -> list[str]:
    return [one.key for one in content_probe_facts(subject)[1]]


class Brightness(nn.Module):
    """Class 1 where a picture is light as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.map, self.output = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(64, 2)
        with torch.no_grad():
            self.map.weight.fill_(1)
            self.output.weight.copy_(torch.stack([-torch.ones(64), torch.ones(64)]))
            self.output.bias.copy_(torch.tensor([32.0, -32.0]))
        self.eval()

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.output(self.map(pictures).flatten(1))
        return logits


def test_a_class_that_is_its_colour_needs_no_content() -> None:
    labels = [i % 2 for i in range(80)]
    pictures = np.stack([np.full((8, 8), 60 + 130 * k, np.uint8) for k in labels])
    pictures += np.random.default_rng(0).integers(0, 40, pictures.shape, dtype=np.uint8)
    context = made_context(ImageArray(pictures, "made"), labels, halves(80, 20), classes=CLASSES)
    (found,) = content_probe_facts(made_subject(context, ImageReader(Brightness(), UNSCALED)))[1]
    assert found.key == "no_content_needed" and found.gravity == "problem" and "even colour" in found.text
    assert keys(halves_subject(labels, halves(80, 20))) == []


def test_flat_and_grain_keep_what_they_say() -> None:
    image = torch.full((1, 2, 5, 5), 0.25)
    image[0, 0, 2, 2] = 1.0
    assert torch.equal(flat_colour(image), torch.full((1, 2, 5, 5), 0.25))
    grain = fine_grain(image, torch.Generator().manual_seed(0))
    assert float(grain.max()) == 1.0 and int((grain != 0.5).sum()) == 1 and bool((grain[0, 1] == 0.5).all())


@pytest.mark.parametrize("footer", [True, False])
def test_a_footer_per_class_is_told_and_words_of_the_subject_are_not(footer: bool) -> None:
    rng = np.random.default_rng(0)
    subject = {0: ["boat", "mast", "sail", "keel", "oar"], 1: ["goal", "ball", "team", "match", "net"]}
    said = []
    for i in range(120):
        words = [*rng.choice(subject[i % 2], 1), *rng.choice(list("abcdefgh"), 5)]
        said.append(" ".join([*words, *([("reuters", "efe")[i % 2]] if footer else [])]))
    weights = {"efe": 9.0, "reuters": -9.0, **dict.fromkeys(subject[1], 2.0), **dict.fromkeys(subject[0], -2.0)}
    context = made_context(texts_of(said), [i % 2 for i in range(120)], halves(120, 60), kind="text", classes=CLASSES)
    facts, findings = content_probe_facts(made_subject(context, words_reader(weights)))
    assert [one.key for one in findings] == ["no_content_needed"] * footer
    assert bool(facts) == footer and (not footer or "efe, reuters" in findings[0].text)
    marks = class_marks(said, [i % 2 for i in range(120)])
    assert marks == ({0: ["reuters"], 1: ["efe"]} if footer else {})


@pytest.mark.parametrize("beep", [True, False])
def test_a_beep_at_the_start_is_told_and_what_only_the_whole_sound_says_is_not(beep: bool, tmp_path: Path) -> None:
    """Class 1 is high: only in its first eighth, after which all is noise, or in any five of the eight."""
    rng, waves = np.random.default_rng(0), []
    for i in range(60):
        noise = 0.002 * rng.normal(size=3200).astype(np.float32)
        own, other = (tone(hz, 0.4, loudness=0.3) for hz in ((300, 3000), (3000, 300))[i % 2])
        most = np.isin(np.arange(3200) // 400, rng.permutation(8)[:5])
        waves.append(np.concatenate([own[:400], noise[400:]]) if beep else np.where(most, own, other))
    context = made_context(write_sounds(tmp_path, waves), [i % 2 for i in range(60)], halves(60, 20), kind="audio",
                           classes=CLASSES)  # fmt: skip
    subject = made_subject(context, sounds_reader())
    assert bool((subject.test.predictions.argmax(1) == subject.test.targets).all())
    facts, findings = content_probe_facts(subject)
    assert len(facts) == 8 and [one.key for one in findings] == ["no_content_needed"] * beep
    assert not beep or "the 1. of eight" in findings[0].text


def test_a_tone_that_sounds_throughout_is_no_mark(tmp_path: Path) -> None:
    """One of its stretches says nothing where the other seven are of another sound."""
    waves = [tone((300, 3000)[i % 2], 0.4, loudness=0.3) for i in range(60)]
    context = made_context(write_sounds(tmp_path, waves), [i % 2 for i in range(60)], halves(60, 20), kind="audio",
                           classes=CLASSES)  # fmt: skip
    facts, findings = content_probe_facts(made_subject(context, sounds_reader()))
    assert all(one["value"] < 0.9 for one in facts.values()) and findings == []  # type: ignore[index]


@pytest.mark.parametrize("place", [(0, 0), (12, 12)])
def test_a_place_off_the_middle_that_is_needed_is_told(place: tuple[int, int]) -> None:
    reader = ImageReader(nn.Identity(), ImagePreprocessing(height=32, width=32, channels=1, mean=(0.0,), std=(1.0,)))

    def region(top: int, left: int, right: int) -> RegionImportance:
        return RegionImportance(top=top, left=left, height=8, width=8, accuracy_covered=rate(right, 100),
                                accuracy_alone=rate(20, 100))  # fmt: skip

    found = needed_findings(reader, [region(24, 24, 90), region(*place, 10)])
    assert [one.key for one in found] == ["one_place_needed"] * (place == (0, 0))
    assert needed_findings(reader, [region(24, 24, 90), region(*place, 80)]) == []


def test_two_columns_that_give_the_class_away_are_named() -> None:
    rng = torch.Generator().manual_seed(derive_seed(0, "pairs"))
    a, b, c = torch.randn(3, 300, generator=rng)
    total = a + torch.where(c > 0, 1.0, -1.0)  # the class is whether total lies above a
    classes = ["yes" if x > 0 else "no" for x in c.tolist()]
    found = giveaway_pair({"a": a, "b": b, "total": total}, classes)
    assert found is not None and found[:2] == ("a", "total") and found[2] > 0.99
    assert giveaway_pair({"a": a, "b": b, "c": c + 0.5 * torch.randn(300, generator=rng)}, classes) is None
    target = 2 * a + 3 * b
    exact = exact_pair({"a": a, "c": c, "b": b}, target)
    assert exact is not None and exact[:2] == ("a", "b")
    product = exact_pair({"a": a, "c": c, "b": b}, a * c)
    assert product is not None and product[:2] == ("a", "c")
    assert exact_pair({"a": a, "b": b}, target + 0.3 * c) is None


@pytest.mark.parametrize(("flipped", "told"), [(0, True), (12, False)])
def test_two_columns_that_tell_the_class_of_96_percent_only_do_not_give_it_away(flipped: int, told: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    a, c = torch.randn(2, 300, generator=rng)
    classes = ["yes" if (x > 0) != (i < flipped) else "no" for i, x in enumerate(c.tolist())]
    found = giveaway_pair({"a": a, "total": a + torch.where(c > 0, 1.0, -1.0)}, classes)
    assert (found is not None) == told


def test_a_column_that_is_filled_in_once_the_class_is_known_is_named() -> None:
    classes = ["ill" if i % 3 else "well" for i in range(90)]
    after: list[object] = [None if name == "well" else 1.0 for name in classes]
    by_chance: list[object] = [None if i % 5 else 1.0 for i in range(90)]
    ((name, share),) = telling_gaps({"discharge": after, "weight": by_chance}, classes)
    assert name == "discharge" and share == 1.0


@pytest.mark.parametrize("telling", [True, False])
def test_a_length_that_tells_the_class_is_told(telling: bool) -> None:
    said = ["a b c d " * (1 + (i % 2 if telling else i % 7)) for i in range(100)]
    context = made_context(texts_of(said), [i % 2 for i in range(100)], halves(100, 90), kind="text", classes=CLASSES)
    found = giveaway_findings(made_subject(context, words_reader({"a": 1.0})))
    assert [one.key for one in found] == ["told_beside_the_content"] * telling


@pytest.mark.parametrize(("share", "told"), [(1.0, True), (0.5, False)])
def test_a_footer_in_nearly_every_text_of_a_class_is_told_whatever_the_network_does(share: float, told: bool) -> None:
    rng = np.random.default_rng(0)
    said = [" ".join(rng.choice(list("abcdefgh"), 5)) + (" (Lusa)." if i % 2 and rng.random() < share else ".")
            for i in range(100)]  # fmt: skip
    context = made_context(texts_of(said), [i % 2 for i in range(100)], halves(100, 90), kind="text", classes=CLASSES)
    marks = [one for one in giveaway_findings(made_subject(context, words_reader({"a": 1.0}))) if "lusa" in one.text]
    assert [one.key for one in marks] == ["told_beside_the_content"] * told
    assert not told or "“yes”" in marks[0].text


@pytest.mark.parametrize("telling", [True, False])
def test_a_sampling_rate_that_tells_the_class_is_told(telling: bool, tmp_path: Path) -> None:
    labels = [i % 2 for i in range(60)]
    for k in (0, 1):
        (tmp_path / str(k)).mkdir()
    parts = [write_sounds(tmp_path / str(k), [tone(500, 0.2, rate=(8000, 16000)[k])] * 30, rate=(8000, 16000)[k])
             for k in (0, 1)]  # fmt: skip
    paths = [parts[k if telling else (i // 2) % 2].paths[i // 2] for i, k in enumerate(labels)]
    context = made_context(AudioFiles(paths, tmp_path), labels, ["train"] * 60, kind="audio", classes=CLASSES)
    found = giveaway_findings(made_subject(context, sounds_reader()))
    assert [one.key for one in found] == ["told_beside_the_content"] * telling
    assert not telling or "sampling rate" in found[0].text
