"""What a map keeps of the neighbourhoods: against scikit-learn, by hand, and of maps that keep nothing or all."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from capas.representation.map import quality
from capas.representation.map.quality import map_qualities, neighbours_for
from capas.representation.vectors import unit_length

RNG = np.random.default_rng(0)
VECTORS = unit_length(RNG.normal(size=(120, 6)))
MAP = PCA(2).fit_transform(VECTORS).astype(np.float32)


def test_trustworthiness_and_continuity_are_those_of_scikit_learn() -> None:
    [found] = map_qualities(VECTORS, [MAP])
    assert (found.neighbours, found.points, found.asked) == (15, 120, 120)
    assert found.trustworthiness.value == pytest.approx(trustworthiness(VECTORS, MAP, n_neighbors=15), abs=1e-9)
    # Continuity is the trustworthiness of the way back.
    assert found.continuity.value == pytest.approx(trustworthiness(MAP, VECTORS, n_neighbors=15), abs=1e-9)
    assert "interval" not in found.trustworthiness.as_json()  # all points were asked


def test_preserved_is_the_overlap_of_the_nearest() -> None:
    [found] = map_qualities(VECTORS, [MAP])
    overlaps = []
    for i in range(len(VECTORS)):
        true, drawn = (np.linalg.norm(one - one[i], axis=1) for one in (VECTORS, MAP))
        near = [set(np.argsort(np.where(np.arange(120) == i, np.inf, distance))[:15]) for distance in (true, drawn)]
        overlaps.append(len(near[0] & near[1]) / 15)
    assert found.preserved.value == pytest.approx(np.mean(overlaps)) and found.by_chance == 15 / 119


def test_a_map_that_is_the_vectors_keeps_all_and_one_point_keeps_nothing() -> None:
    angles = np.sort(RNG.uniform(0, 1.5, 60))
    vectors = unit_length(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    same, collapsed = map_qualities(vectors, [vectors, np.zeros((60, 2), np.float32)])
    assert (same.trustworthiness.value, same.continuity.value, same.preserved.value) == (1, 1, 1)
    assert collapsed.preserved.value < 0.5 and collapsed.continuity.value < 0.5


def test_vectors_that_are_all_the_same_have_no_wrong_neighbours() -> None:
    [found] = map_qualities(np.ones((20, 3), np.float32), [RNG.normal(size=(20, 2))])
    assert found.preserved.value == found.trustworthiness.value == 1


def test_of_many_points_a_sample_is_asked_with_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    [exact] = map_qualities(VECTORS, [MAP])
    monkeypatch.setattr(quality, "EXACT_UP_TO", 100)
    monkeypatch.setattr(quality, "SAMPLE", 60)
    monkeypatch.setattr(quality, "BLOCK_CELLS", 1000)  # several blocks
    [found] = map_qualities(VECTORS, [MAP], seed=1)
    assert found.asked == 60 and found.points == 120
    low, high = found.preserved.interval
    assert low < exact.preserved.value < high
    assert map_qualities(VECTORS, [MAP], seed=1) == [found]


@pytest.mark.parametrize("count", [3, 4, 9])
def test_of_few_points_few_neighbours_are_asked(count: int) -> None:
    [found] = map_qualities(VECTORS[:count], [MAP[:count]])
    assert found.neighbours == neighbours_for(count) < count / 2 and 0 <= found.trustworthiness.value <= 1


def test_of_two_points_there_is_nothing_to_ask() -> None:
    assert map_qualities(VECTORS[:2], [MAP[:2]]) == []
