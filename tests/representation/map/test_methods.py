"""Layouts: groups stay together, the same seed draws the same, few points and equal points are refused."""

import sys
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.representation.map import methods
from capas.representation.map.methods import Method, default_method, lay_out, parse_method
from capas.representation.vectors import unit_length
from tests.representation.map.made_vectors import grouped

VECTORS = unit_length(grouped())


def same_group_beside(positions: NDArray[np.float32], groups: int = 3) -> float:
    distances = np.linalg.norm(positions[:, None] - positions, axis=2) + np.diag(np.full(len(positions), np.inf))
    return float((distances.argmin(axis=1) % groups == np.arange(len(positions)) % groups).mean())


def test_pca_is_the_plane_of_the_largest_variance() -> None:
    positions = lay_out(VECTORS, "pca")
    centred = VECTORS - VECTORS.mean(axis=0)
    expected = centred @ np.linalg.svd(centred)[2][:2].T
    found = np.linalg.norm(positions[:, None] - positions, axis=2)
    wanted = np.linalg.norm(expected[:, None] - expected, axis=2)
    np.testing.assert_allclose(found / found.max(), wanted / wanted.max(), atol=1e-4)
    assert np.abs(positions).max() == pytest.approx(1) and positions.dtype == np.float32


def test_tsne_keeps_groups_together_tells_its_progress_and_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "EXAGGERATED_STEPS", 50)
    monkeypatch.setattr(methods, "STEPS", 100)
    told: list[tuple[int, int]] = []
    positions = lay_out(VECTORS, "tsne", seed=1, progress=lambda done, total: told.append((done, total)))
    assert same_group_beside(positions) == 1
    assert told[0] == (0, 150) and told[-1] == (150, 150) and told == sorted(told)
    np.testing.assert_array_equal(lay_out(VECTORS, "tsne", seed=1), positions)


def test_a_stop_amid_tsne_is_a_stop() -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lay_out(VECTORS, "tsne", progress=stop)


@pytest.mark.slow
def test_umap_keeps_groups_together_tells_its_progress_and_repeats() -> None:
    told: list[tuple[int, int]] = []
    positions = lay_out(VECTORS, "umap", seed=1, progress=lambda done, total: told.append((done, total)))
    assert same_group_beside(positions) > 0.9 and told
    np.testing.assert_array_equal(lay_out(VECTORS, "umap", seed=1), positions)


class FakeUMAP:
    """What is asked of UMAP; the library itself compiles for half a minute."""

    asked: ClassVar[dict[str, Any]] = {}

    def __init__(self, **asked: Any) -> None:
        FakeUMAP.asked = asked

    def fit_transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        bar = self.asked["tqdm_kwds"]
        for done in range(3):
            bar["file"].write("\r" + bar["bar_format"].format(n_fmt=done, total_fmt=2))
        return vectors[:, :2]


def test_umap_is_asked_for_so_many_neighbours_as_there_are_and_tells_its_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=FakeUMAP))
    told: list[tuple[int, int]] = []
    positions = lay_out(VECTORS[:12], "umap", seed=5, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)] and positions.shape == (12, 2)
    assert (FakeUMAP.asked["n_neighbors"], FakeUMAP.asked["random_state"]) == (11, 5)
    assert FakeUMAP.asked["init"].shape == (12, 2)


def test_vectors_of_one_number_lie_on_a_line() -> None:
    positions = lay_out(np.array([[-1.0], [1.0], [1.0]], np.float32), "pca")
    assert sorted(positions[:, 0].round(5)) == [-1, 1, 1] and not positions[:, 1].any()


@pytest.mark.parametrize(("count", "method"), [(1, "pca"), (2, "pca"), (9, "tsne"), (9, "umap")])
def test_too_few_points_are_refused(count: int, method: Method) -> None:
    with pytest.raises(CapasError) as refused:
        lay_out(VECTORS[:count], method)
    assert refused.value.key == "map_too_few" and refused.value.received == str(count)


def test_points_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(CapasError) as refused:
        lay_out(np.ones((20, 4), np.float32) / 2, "pca")
    assert refused.value.key == "map_all_alike"


def test_the_method_follows_from_the_number_and_from_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [default_method(count) for count in (9, 10, 30_000, 30_001)] == ["pca", "tsne", "tsne", "umap"]
    monkeypatch.setattr(methods, "_installed", lambda package: package == "openTSNE")
    assert default_method(100_000) == "tsne"
    monkeypatch.setattr(methods, "_installed", lambda package: False)
    assert default_method(1000) == default_method(100_000) == "pca"


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(CapasError) as refused:
        lay_out(VECTORS, "tsne")
    assert refused.value.key == "extra_missing" and refused.value.values["extra"] == "search"


def test_an_unknown_method_is_refused() -> None:
    assert parse_method("TSNE") == "tsne"
    with pytest.raises(CapasError) as refused:
        parse_method("isomap")
    assert refused.value.key == "map_method_unknown" and "umap" in str(refused.value)
