"""Posteriors kept small are still probabilities, near those that were kept."""

import zlib

import numpy as np
import pytest

from capas.archive.reading.posteriors import LEAST, pack_posteriors, unpack_posteriors
from capas.core.errors import CapasError


def test_kept_ones_come_back_nearly_and_every_frame_sums_to_one() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (50, 90))
    posteriors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = unpack_posteriors(pack_posteriors(posteriors))
    assert found.shape == posteriors.shape and np.allclose(found.sum(axis=1), 1, atol=1e-12)
    large = posteriors >= LEAST
    assert np.abs(found[large] / posteriors[large] - 1).max() < 0.01
    assert (found[~large] < 2 * LEAST).all() and (found > 0).all()


def test_beside_what_is_all_but_certain_the_others_stay_small() -> None:
    """A probability that rounds to 1 once made those beside it appear as certain."""
    posteriors = np.array([[0.99989, 0.00011, 0.0], [0.5, 0.5, 0.0]])
    np.testing.assert_allclose(unpack_posteriors(pack_posteriors(posteriors))[:, :2], posteriors[:, :2], rtol=1e-3)


def test_the_same_bytes_say_the_same_again() -> None:
    certain = np.eye(4)[[0, 1, 2, 3, 0]]
    once = pack_posteriors(certain)
    assert np.array_equal(unpack_posteriors(once).argmax(axis=1), [0, 1, 2, 3, 0])
    assert pack_posteriors(unpack_posteriors(once)) == once
    assert unpack_posteriors(pack_posteriors(np.zeros((0, 5)))).shape == (0, 5)


@pytest.mark.parametrize("wrong", [np.full((2, 3), -0.1), np.full((2, 3), np.nan)])
def test_what_is_no_probability_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected probabilities"):
        pack_posteriors(wrong)


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 10 + b"no zlib", pack_posteriors(np.eye(3))[:-3]])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(CapasError) as caught:
        unpack_posteriors(content)
    assert caught.value.key == "archive_unreadable"


@pytest.mark.parametrize(
    ("frames", "labels", "kept"),
    [(4_000_000_000, 60_000, 1), (60_000_000, 0, 0), (4, 2, 9), (2, 2, 2)],
)
def test_what_claims_to_be_more_than_it_holds_is_refused(frames: int, labels: int, kept: int) -> None:
    head = np.array((frames, labels, kept), dtype=[("frames", "<u4"), ("labels", "<u2"), ("kept", "<u4")])
    with pytest.raises(CapasError):
        unpack_posteriors(head.tobytes() + zlib.compress(bytes(2 * 2 + 4 * 2)))
