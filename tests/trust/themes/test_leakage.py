"""Test examples that are in the training too: counted, named, and the accuracy without them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from capas.data.collections import ExampleCollection
from capas.data.image.io import ImageArray
from capas.trust.leakage.near_duplicate_images import image_fingerprint
from capas.trust.rendering.blocks import ImageGallery
from capas.trust.theme import Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.leakage import CONTROLS, leakage_theme, rate_among_training
from tests.trust.made_models import (
    asked,
    half_pictures,
    made_context,
    made_subject,
    table_rows,
    texts_of,
    words_reader,
)

SPLITS = ["train"] * 40 + ["test"] * 40


def alone(inputs: ExampleCollection, targets: ExampleCollection | None = None, folder: Path = Path()) -> Theme:
    """Of a model of many answers, whose own figures are in ``folder``."""
    task = "translate" if targets is not None else "label"
    context = made_context(inputs, [None] * len(inputs), SPLITS, task=task, kind="text", targets=targets, folder=folder)
    return leakage_theme(ThemeContext(run_context=context, subject=None, level="standard"))


def sentences(seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join("".join(rng.choice(list("abcdefghij"), 6)) for _ in range(12)) for _ in range(80)]


def classified(texts: Sequence[str], labels: Sequence[int]) -> Theme:
    context = made_context(texts_of(texts), list(labels), SPLITS, kind="text", classes=("no", "yes"))
    return leakage_theme(asked(made_subject(context, words_reader({"good": 2.0}))))


def test_exact_and_near_copies_are_counted_once_each_and_named() -> None:
    texts = sentences()
    texts[41], texts[42] = texts[5], texts[6].upper() + "!"
    texts[43] = texts[7][:-3] + "xyz"
    found = classified(texts, [0] * 80)
    assert (found.facts["exact"], found.facts["near"], found.facts["n"]) == (1, 2, 40)
    pairs = cast(Sequence[Mapping[str, str]], found.facts["examples"])
    assert {(one["test"], one["train"]) for one in pairs} == {(f"t.csv:{40 + i}", f"t.csv:{4 + i}") for i in (1, 2, 3)}
    assert [(one.key, one.gravity) for one in found.findings] == [("leaked_test", "problem")]


def test_the_accuracy_without_them_is_that_of_the_others() -> None:
    texts = sentences()
    labels = [0] * 80
    for i in range(10):  # right ones, which it may have learnt by heart
        texts[40 + i] = texts[i]
    for i in range(50, 60):
        labels[i] = 1  # which it gets wrong
    found = classified(texts, labels)
    assert cast(Mapping[str, float], found.facts["without_them"])["value"] == pytest.approx(20 / 30, abs=1e-6)
    assert "right on 66.7 %" in found.findings[0].text


def test_nothing_is_found_where_nothing_is() -> None:
    found = classified(sentences(), [0] * 80)
    assert found.facts["exact"] == found.facts["near"] == 0 and found.status == "nothing_found"
    assert "without_them" not in found.facts and found.facts["near_compared"] is True


def test_rows_of_one_column_are_compared_exactly(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").write_text("example\n", encoding="utf-8")
    numbers = [float(i) for i in range(80)]
    numbers[45] = 3.0
    context = made_context(table_rows({"x": numbers}), [(0.0,)] * 80, SPLITS, task="regress", folder=tmp_path)
    found = leakage_theme(ThemeContext(run_context=context, subject=None, level="standard"))
    assert (found.facts["exact"], found.facts["near"], found.facts["near_compared"]) == (1, 0, True)


def test_lighter_copies_of_pictures_are_near_and_shown_in_pairs(tmp_path: Path) -> None:
    """Blurred noise, 24×24; twelve test pictures are training ones made lighter."""
    rng = np.random.default_rng(0)
    held = np.stack([np.asarray(Image.fromarray(rng.integers(0, 200, (6, 6), dtype=np.uint8)).resize((24, 24)))
                     for _ in range(80)])  # fmt: skip
    held[40:52] = held[:12] + 20
    (tmp_path / "predictions.csv").write_text("example\n", encoding="utf-8")
    found = alone(ImageArray(held, "pictures"), folder=tmp_path)
    assert (found.facts["exact"], found.facts["near"]) == (0, 12)
    (gallery,) = [block for block in found.blocks if isinstance(block, ImageGallery)]
    pairs = [(one.caption.partition(": ")[2], other.caption.partition(": ")[2])
             for one, other in zip(gallery.images[::2], gallery.images[1::2], strict=True)]  # fmt: skip
    assert len(pairs) == 6 and gallery.images[0].caption.startswith("test: ")
    assert set(pairs) <= {(f"pictures/{40 + i:05d}", f"pictures/{i:05d}") for i in range(12)}
    assert [one.key for one in found.findings] == ["leaked_test"]


@pytest.mark.parametrize("n", [40, 520])
def test_every_training_picture_is_compared_with_all_others(n: int) -> None:
    """Blurred noise, half of the last ten of which are copies of the other half: one among 40 or 520 in so many."""
    rng = np.random.default_rng(0)
    held = np.stack([np.asarray(Image.fromarray(rng.integers(0, 200, (6, 6), dtype=np.uint8)).resize((24, 24)))
                     for _ in range(n)])  # fmt: skip
    held[-5:] = held[-10:-5] + 20
    prints = np.stack([image_fingerprint(one[:, :, None], 24) for one in held])
    usual = rate_among_training(prints)
    assert usual.n == min(n, CONTROLS) and usual.value == pytest.approx(10 / n, abs=0.5 / n)
    assert rate_among_training(prints[:5]).value == 0


def test_of_tiny_pictures_only_copies_are_told() -> None:
    assert alone(half_pictures([0] * 80)).facts["near_compared"] is False


def test_an_equal_translation_is_a_leak_and_an_equal_transcript_is_not(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").write_text("example\n", encoding="utf-8")
    wanted = sentences(1)
    wanted[50] = wanted[2]
    found = alone(texts_of(sentences()), texts_of(wanted), tmp_path)
    assert found.facts["same_answer"] == 1 and [one.key for one in found.findings] == ["leaked_test"]
    context = made_context(half_pictures([0, 1] * 40), [None] * 80, SPLITS, task="transcribe", targets=texts_of(wanted))
    read = leakage_theme(ThemeContext(run_context=context, subject=None, level="standard"))
    assert read.facts["same_answer"] == 1 and read.findings == []
