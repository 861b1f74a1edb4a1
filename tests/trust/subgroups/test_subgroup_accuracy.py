"""Group figures against published intervals and hand counts; a verdict only where the numbers bear one."""

import math

import pytest
import torch

from capas.metrics.rate import rate
from capas.trust.subgroups.class_imbalance import class_imbalance
from capas.trust.subgroups.significance import difference_interval, difference_p, exact_difference_p, holm
from capas.trust.subgroups.subgroup_accuracy import subgroup_accuracies, widest_gap


def answers(**groups: tuple[int, int]) -> tuple[torch.Tensor, list[str]]:
    """So many right of so many, for each group."""
    right = [i < hits for hits, n in groups.values() for i in range(n)]
    return torch.tensor(right), [name for name, (_, n) in groups.items() for _ in range(n)]


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998) 873–890, Table II, method 10.
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 10), 0.6075, 1.0)],
)
def test_intervals_of_differences_are_the_published_ones(
    a: tuple[int, int], b: tuple[int, int], low: float, high: float
) -> None:
    assert difference_interval(rate(*a), rate(*b)) == pytest.approx((low, high), abs=5e-5)


def test_the_p_value_is_that_of_the_chi_squared_test() -> None:
    a, b = rate(56, 70), rate(48, 80)
    observed = torch.tensor([[56.0, 14.0], [48.0, 32.0]], dtype=torch.float64)
    expected = observed.sum(1, keepdim=True) * observed.sum(0) / observed.sum()
    chi = float(((observed - expected) ** 2 / expected).sum())
    assert difference_p(a, b) == pytest.approx(math.erfc(math.sqrt(chi / 2)))
    assert difference_p(rate(5, 5), rate(9, 9)) == 1.0


def test_holm_steps_down_and_never_below_the_value() -> None:
    assert holm([0.04, 0.001, 0.03]) == pytest.approx((0.06, 0.003, 0.06))
    assert holm([0.9, 0.8]) == (1.0, 1.0) and holm([]) == ()


def test_a_worse_group_is_named_and_a_small_one_is_not_found_equal() -> None:
    found = subgroup_accuracies(*answers(spring=(480, 500), autumn=(235, 250), night=(60, 100), snow=(11, 12)))
    assert [group.name for group in found] == ["spring", "autumn", "night", "snow"]
    by_name = {group.name: group for group in found}
    night, snow = by_name["night"], by_name["snow"]
    assert night.differs and night.gap == pytest.approx(0.6 - 726 / 762) and night.interval[1] < 0
    assert snow.differs is None and snow.accuracy.n == 12
    gap = widest_gap(found)
    assert gap is not None and (gap[0].name, gap[1].name) == ("spring", "night")
    usual = difference_interval(by_name["spring"].accuracy, night.accuracy)
    assert gap[2][0] < usual[0] and usual[1] < gap[2][1]  # widened for three pairs


def test_few_examples_suffice_where_the_gap_is_wide() -> None:
    found = subgroup_accuracies(*answers(day=(141, 143), night=(10, 15), dusk=(4, 4)))
    day, night, dusk = found
    assert night.differs is True and night.p is not None and night.p < 0.001
    assert day.differs is True and dusk.differs is None and dusk.p is None
    # Fisher's exact test: R's fisher.test(matrix(c(3, 1, 1, 3), 2)) gives 0.4857.
    assert exact_difference_p(rate(3, 4), rate(1, 4)) == pytest.approx(0.4857, abs=1e-4)


def test_many_equal_groups_rarely_raise_a_false_alarm() -> None:
    alarms = 0
    for seed in range(100):
        right = torch.rand(1000, generator=torch.Generator().manual_seed(seed)) < 0.9
        alarms += any(group.differs for group in subgroup_accuracies(right, [str(i % 20) for i in range(1000)]))
    assert alarms <= 12  # 5 expected; without the correction some 60


def test_one_group_or_other_lengths() -> None:
    (only,) = subgroup_accuracies(*answers(all=(40, 50)))
    assert only.others.n == 0 and only.differs is None and widest_gap([only]) is None
    with pytest.raises(ValueError, match="groups"):
        subgroup_accuracies(torch.ones(3, dtype=torch.bool), ["a"])


def test_ten_to_one_is_found_with_what_it_costs() -> None:
    targets = torch.tensor([0] * 100 + [1] * 100 + [2] * 100)
    right = torch.ones(300, dtype=torch.bool)
    right[200:240] = False
    found = class_imbalance([1000, 800, 100], right, targets, ["a", "b", "c"])
    assert found.ratio == 10 and [c.rare for c in found.classes] == [False, False, True]
    assert (found.rare.value, found.common.value, found.gap) == pytest.approx((0.6, 1.0, -0.4))
    assert found.interval[1] < 0 and found.classes[2].recall.n == 100
    assert class_imbalance([5, 0], right[:2], targets[:2], ["a", "b"]).ratio == math.inf
    even = class_imbalance([5, 5], right[:2], targets[:2], ["a", "b"])
    assert even.rare.n == 0 and even.gap == 0 and not any(c.rare for c in even.classes)
