"""The figures of attacks as a table, a plot, and what they are worth."""

import pytest

from capas.metrics.rate import Rate, rate
from capas.trust.attacks.sanity_checks import SanityCheckFailure
from capas.trust.themes.attacks_blocks import (
    EPSILONS,
    invalid_attack_finding,
    robust_accuracy_plot,
    robust_accuracy_table,
    sanity_check_sentence,
)

FOUND = {"noise": [rate(9, 10), rate(9, 10), rate(8, 10)], "pgd": [rate(7, 10), rate(3, 10), rate(0, 10)]}


def test_the_table_has_a_row_for_each_attack_and_a_column_for_each_size() -> None:
    found = robust_accuracy_table(FOUND, "a note")
    assert found.heads == ["", "changes of 0.8 %", "changes of 3.1 %", "changes of 10.0 %"]
    assert [row[0] for row in found.rows] == ["random noise (control)", "many steps (PGD)"]
    assert found.rows[1][1:] == ["70.0 % (39.7–89.2)", "30.0 % (10.8–60.3)", "0.0 % (0.0–27.8)"]
    assert found.right == (1, 2, 3) and found.note == "a note"


def test_the_plot_draws_the_same_with_its_intervals_and_the_control_dashed() -> None:
    found = robust_accuracy_plot(FOUND)
    noise, pgd = found.lines
    assert (noise.dashed, pgd.dashed) == (True, False)
    assert pgd.xs == pytest.approx([100 * eps for eps in EPSILONS]) and pgd.ys == [0.7, 0.3, 0.0]
    for line, rates in zip(found.lines, FOUND.values(), strict=True):
        assert [Rate(value=y, n=10, interval=(low, high)) for y, low, high in zip(line.ys, line.lows, line.highs,
                                                                                  strict=True)] == rates  # fmt: skip
    assert "many steps (PGD): 70 %, 30 %, 0 %" in found.description


def test_figures_that_failed_their_checks_are_not_to_be_believed() -> None:
    assert sanity_check_sentence(()).tone == "good"
    failures = (SanityCheckFailure.VANISHING, SanityCheckFailure.WEAKER_THAN_NOISE)
    assert sanity_check_sentence(failures).tone == "problem"
    finding = invalid_attack_finding(failures)
    assert (finding.key, finding.gravity) == ("attacks_not_valid", "problem")
    assert "its gradients vanish" in finding.text and "; the attack does less harm than random noise" in finding.text


@pytest.mark.parametrize("failure", [one for one in SanityCheckFailure if one is not SanityCheckFailure.SATURATED])
def test_every_failure_that_forbids_a_verdict_has_words(failure: SanityCheckFailure) -> None:
    assert failure.value not in invalid_attack_finding((failure,)).text
