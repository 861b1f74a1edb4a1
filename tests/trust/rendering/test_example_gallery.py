"""Examples as pictures, in the order asked for; of what cannot be looked at, none."""

import numpy as np
import pytest
import torch

from capas.trust.rendering.example_gallery import captioned_examples
from tests.trust.made_models import half_pictures, halves_subject, made_context, made_subject, texts_of, words_reader


def test_examples_are_shown_in_the_order_asked_for_with_their_captions() -> None:
    subject = halves_subject([0, 1, 0, 1], ["train", "test", "test", "test"])
    shown = captioned_examples(subject, subject.test, torch.tensor([2, 0]), ["last", "first"])
    assert [one.caption for one in shown] == ["last", "first"]
    pictures = half_pictures([0, 1, 0, 1]).arrays[..., 0]
    assert np.array_equal(shown[0].image, pictures[3]) and np.array_equal(shown[1].image, pictures[1])
    assert all(one.heatmap is None for one in shown)
    with pytest.raises(ValueError, match="zip"):
        captioned_examples(subject, subject.test, torch.tensor([0]), ["one", "two"])


def test_texts_are_not_shown() -> None:
    context = made_context(texts_of(["a", "b"]), [0, 1], ["train", "test"], kind="text", classes=("no", "yes"))
    subject = made_subject(context, words_reader({"a": 1.0}))
    assert captioned_examples(subject, subject.test, torch.tensor([0]), ["c"]) == []
