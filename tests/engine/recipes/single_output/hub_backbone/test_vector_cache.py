"""Vectors are computed once, in order, and again where the encoder, a content or the file is another one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.engine.recipes.single_output.hub_backbone.vector_cache import CHUNK, cached_vectors


def test_only_what_is_missing_is_computed(tmp_path: Path) -> None:
    hashes, asked = [f"h{i}" for i in range(2 * CHUNK + 3)], list[int]()

    def encode(positions: Sequence[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        asked.extend(positions)
        return np.array([[i, 2 * i] for i in positions], dtype=np.float32)

    told: list[tuple[int, int]] = []
    first = cached_vectors(tmp_path, "f", hashes, encode, lambda done, total: told.append((done, total)))
    assert first[:, 1].tolist() == [2.0 * i for i in range(len(hashes))]
    assert told[-1] == (len(hashes), len(hashes))
    assert asked == list(range(len(hashes)))
    asked.clear()
    assert torch.equal(cached_vectors(tmp_path, "f", hashes, encode), first)
    assert asked == []
    hashes[-1] = "another"
    cached_vectors(tmp_path, "f", hashes, encode)
    assert asked == list(range(2 * CHUNK, 2 * CHUNK + 3))
    asked.clear()
    next(tmp_path.iterdir()).write_bytes(b"torn")
    cached_vectors(tmp_path, "f", hashes, encode)
    cached_vectors(tmp_path, "other encoder", hashes, encode)
    assert len(asked) >= len(hashes)


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CapasError) as refused:
        cached_vectors(tmp_path, "f", ["a"], lambda positions: np.full((1, 2), np.nan, dtype=np.float32))
    assert refused.value.key == "hub_not_finite"
    assert not list(tmp_path.iterdir())
