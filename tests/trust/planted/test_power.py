"""What was hardly looked at gets no tick, and what could have been seen does."""

from collections.abc import Sequence

import pytest
import torch

from capas.data.tabular.preprocess import EncodedRows
from capas.metrics.rate import rate
from capas.trust.rendering.html_page import MARKS
from capas.trust.subjects.factory import input_adapter
from capas.trust.theme import Theme
from capas.trust.themes.attacks_blocks import fragility
from capas.trust.themes.attacks_text_tabular_audio import input_perturbation_attacks_theme
from capas.trust.themes.groups import groups_theme
from tests.trust.made_models import (
    asked,
    halves_subject,
    made_context,
    made_subject,
    rows_reader,
    texts_of,
    words_reader,
)


@pytest.mark.parametrize(
    ("noise", "after", "n", "verdict"),
    [(16, 0, 16, "fragile"), (8, 0, 16, "fragile"), (3, 0, 16, "too_few"), (0, 0, 16, "too_few"),
     (16, 15, 16, "withstands"), (140, 139, 150, "withstands"), (140, 20, 150, "fragile")],
)  # fmt: skip
def test_an_attack_that_left_none_is_a_finding_and_one_that_could_not_tell_is_none(
    noise: int, after: int, n: int, verdict: str
) -> None:
    assert fragility(rate(noise, n), rate(after, n)) == verdict


def texts(n: int, weight: float) -> Theme:
    said = [f"seven harbour boats sailed home{i}" for i in range(n)]
    context = made_context(texts_of(said), [1] * n, ["test"] * n, kind="text", classes=("no", "yes"))
    subject = made_subject(context, words_reader(dict.fromkeys(("harbour", "boats", "sailed", "seven"), weight)))
    return input_perturbation_attacks_theme(asked(subject), subject)


def test_a_few_attacked_texts_are_only_partly_tested() -> None:
    few, many = texts(12, 1.0), texts(40, 1.0)
    assert few.status == "partly_tested" and "12" in few.partly_tested[0]
    assert many.status == "nothing_found" and not many.partly_tested
    assert few.as_json()["partly_tested"] and set(MARKS) >= {few.status, many.status}
    wrong = texts(40, -1.0)  # none is right: an attack has nothing to turn
    assert wrong.status == "partly_tested" and "0" in wrong.partly_tested[0]


def of_classes(labels: Sequence[int]) -> Theme:
    return groups_theme(asked(halves_subject(labels, ["train"] * 20 + ["test"] * (len(labels) - 20))))


def test_a_class_of_two_is_not_found_as_good_as_the_others() -> None:
    uneven = of_classes([0, 1] * 10 + [1] * 2 + [0] * 60)
    assert uneven.status == "partly_tested" and "right (n = 2)" in uneven.partly_tested[0]
    assert of_classes([0, 1] * 10 + [0, 1] * 40).status == "nothing_found"


def test_a_rare_class_is_named_though_its_test_is_too_small_to_judge() -> None:
    (found,) = of_classes([0] * 19 + [1] + [1] * 2 + [0] * 60).findings
    assert found.key == "imbalance" and "19" in found.text and "right" in found.text


def told(related: bool, probe: str) -> bool:
    """Of two numbers, which are nearly the same (``related``) or have nothing to do with each other."""
    n, rng = 200, torch.Generator().manual_seed(0)
    a = torch.randn(n, generator=rng)
    b = a + 0.05 * torch.randn(n, generator=rng) if related else torch.randn(n, generator=rng)
    numbers, none = torch.stack([a, b], 1), torch.zeros(n, 0, dtype=torch.long)
    rows = [EncodedRows(numbers=numbers[i : i + 1], categories=none[i : i + 1]) for i in range(n)]
    adapter = input_adapter(rows_reader({"a": 4.0, "b": 0.0}))
    return adapter.can_be_told(rows, adapter.ood_probes(rows, rng)[probe], rng)


def test_shuffled_columns_count_only_where_they_make_rows_unlike_the_others() -> None:
    assert told(related=True, probe="shuffled_columns") and not told(related=False, probe="shuffled_columns")
    assert told(related=False, probe="far_off")
