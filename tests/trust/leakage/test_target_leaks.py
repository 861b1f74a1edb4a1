"""Equal targets across the splits, and the figure of the test without what has leaked."""

from pathlib import Path

import numpy as np
import pytest
import torch

from capas.data.image.io import ImageArray
from capas.trust.leakage.target_leaks import metric_without_leaks, same_target_leaks
from capas.trust.leakage.train_test_overlap import Leak
from capas.trust.subjects.run_context import RunContext
from tests.trust.made_models import made_context, texts_of

TRAIN, TEST = torch.tensor([0, 1]), torch.tensor([2, 3, 4])
SPLITS = ["train", "train", "test", "test", "test"]


def leak(test: int, train: int) -> Leak:
    return Leak(test=test, train=train, similarity=1.0, mirrored=False)


def test_equal_texts_are_found_whatever_their_case_and_marks() -> None:
    targets = texts_of(["El niño", "otra cosa", "¡EL NINO!", "nada", "otra  cosa."])
    context = made_context(texts_of(["a", "b", "c", "d", "e"]), [None] * 5, SPLITS, task="translate", kind="text",
                           targets=targets)  # fmt: skip
    assert same_target_leaks(context, TRAIN, TEST) == (leak(0, 0), leak(2, 1))
    assert same_target_leaks(context, TRAIN, torch.tensor([3])) == ()


def test_equal_pictures_are_found_and_nearly_equal_ones_not() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 6, 6), dtype=np.uint8)
    pictures[2], pictures[4] = pictures[1], pictures[0]
    pictures[4, 0, 0] ^= 1
    context = made_context(ImageArray(pictures.copy(), "in"), [None] * 5, SPLITS, task="transform",
                           targets=ImageArray(pictures, "out"))  # fmt: skip
    assert same_target_leaks(context, TRAIN, TEST) == (leak(0, 1),)


def test_classes_leak_nothing() -> None:
    context = made_context(
        texts_of(["a", "b", "c", "d", "e"]), [0, 1, 0, 1, 0], SPLITS, kind="text", classes=("a", "b")
    )
    assert same_target_leaks(context, TRAIN, TEST) == ()


def scored(folder: Path, rows: str) -> RunContext:
    (folder / "predictions.csv").write_text(rows, encoding="utf-8")
    return made_context(texts_of(["a", "b", "c", "d", "e"]), [None] * 5, SPLITS, task="transcribe", kind="image",
                        folder=folder)  # fmt: skip


def test_the_figure_is_that_of_the_examples_that_are_left(tmp_path: Path) -> None:
    context = scored(tmp_path, "example,text,errors\nt.csv:2,abcd,0\nt.csv:3,abcd,3\nt.csv:4,ab,0\n")
    found = metric_without_leaks(context, TEST, [leak(0, 1)])
    assert found is not None and found[0] == "cer"
    assert found[1]["value"] == pytest.approx(3 / 6) and found[1]["n"] == 2
    whole = metric_without_leaks(context, TEST, [])
    assert whole is not None and whole[1]["value"] == pytest.approx(3 / 10) and whole[1]["n"] == 3
    # A leak is named by its place among the test examples, not in the record.
    last = metric_without_leaks(context, TEST.flip(0), [leak(0, 1)])
    assert last is not None and last[1]["value"] == pytest.approx(3 / 8)


def test_where_nothing_is_left_there_is_no_figure(tmp_path: Path) -> None:
    context = scored(tmp_path, "example,text,errors\nt.csv:2,abcd,0\n")
    assert metric_without_leaks(context, TEST, [leak(0, 0)]) is None
    assert metric_without_leaks(scored(tmp_path, "example,prediction\nt.csv:2,a\n"), TEST, []) is None
