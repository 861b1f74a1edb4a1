"""A speaker, patient or season in both parts is told with what it is worth; groups that do not matter are not."""

import datetime
from collections.abc import Sequence

import pytest
import torch

from capas.core.spec import Field
from capas.data.inspect.name_groups import name_parts
from capas.data.naming import SplitName
from capas.data.tabular.columns import Cell, column_from_cells
from capas.data.tabular.preprocess import TabularPreprocessing
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.trust.leakage.group_findings import group_checks
from capas.trust.leakage.shared_groups import MIN_GAP, compare_by_group, seen_share
from capas.trust.theme import Theme
from capas.trust.themes.leakage import leakage_theme
from tests.trust.made_models import asked, made_context, made_subject, rows_reader, table_rows

N, GROUPS = 240, 12


def patients(*, matters: bool, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Two measurements of 12 patients with a state each: of the patient alone (``matters``), or of the state."""
    rng = torch.Generator().manual_seed(seed)
    who = torch.arange(N) % GROUPS
    own = 3 * torch.randn(GROUPS, 2, generator=rng)
    state = (torch.rand(GROUPS, generator=rng) < 0.5).long() if matters else torch.arange(N) // GROUPS % 2
    labels = state[who] if matters else state
    x = own[who] if matters else 3.0 * labels[:, None]
    return x + 0.3 * torch.randn(N, 2, generator=rng), labels, [f"p{i}" for i in who.tolist()]


@pytest.mark.parametrize("seed", range(4))
def test_patients_who_are_only_recognised_are_found_and_others_are_not(seed: int) -> None:
    rng = torch.Generator().manual_seed(0)
    known = compare_by_group(*patients(matters=True, seed=seed), rng, classes=True)
    assert known.differs and known.at_random < 0.05 and known.by_group > 0.2
    clean = compare_by_group(*patients(matters=False, seed=seed), rng, classes=True)
    assert not clean.differs and clean.by_group < 0.05


def test_what_random_groups_do_as_well_is_no_finding() -> None:
    """Nothing but noise; by these groups it does 5.5 points worse than on average, which some permutations do too."""
    rng = torch.Generator().manual_seed(8)
    x, labels = torch.randn(60, 2, generator=rng), torch.randint(2, (60,), generator=rng)
    found = compare_by_group(
        x, labels, [f"p{i % 6}" for i in range(60)], torch.Generator().manual_seed(0), classes=True
    )
    assert found.by_group - found.at_random > MIN_GAP and not found.differs


def theme(x: torch.Tensor, labels: torch.Tensor, columns: dict[str, Sequence[Cell]]) -> Theme:
    """Every third row is of the test; ``columns`` are no inputs."""
    table = table_rows({"a": x[:, 0].tolist(), "b": x[:, 1].tolist()})
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).tolist()
    splits: list[SplitName] = ["test" if i % 3 == 0 else "train" for i in order]
    held = {name: column_from_cells(list(cells)) for name, cells in columns.items()}
    context = made_context(table, labels.tolist(), splits, classes=("no", "yes"), columns=held)
    return leakage_theme(asked(made_subject(context, rows_reader({"a": 1.0, "b": 1.0}), ClassHead(context.classes))))


def test_a_column_of_patients_is_a_problem_and_says_what_to_do() -> None:
    x, labels, who = patients(matters=True)
    found = theme(x, labels, {"patient": who})
    assert [(one.key, one.gravity) for one in found.findings] == [("shared_group", "problem")]
    assert "--group patient" in found.findings[0].text and "100 % of the test" in found.findings[0].text
    x, labels, who = patients(matters=False)
    clean = theme(x, labels, {"patient": who})
    assert not clean.findings and "patient" in str(clean.facts["groups"])


@pytest.mark.parametrize(("groups", "told"), [(3, False), (GROUPS, True)])
def test_an_input_of_few_kinds_is_no_group_though_its_kinds_matter(groups: int, told: bool) -> None:
    """Each town (of three, all known) or patient (of twelve) has a level of its own."""
    rng = torch.Generator().manual_seed(0)
    who = torch.arange(N) % groups
    level = 4 * torch.randn(groups, generator=rng)
    x = torch.randn(N, generator=rng)
    values = (level[who] + 0.3 * x).tolist()
    table = table_rows({"x": (level[who] + 0.1 * torch.randn(N, generator=rng)).tolist(),
                        "where": [f"t{i}" for i in who.tolist()]})  # fmt: skip
    splits: list[SplitName] = ["test" if i // groups % 3 == 0 else "train" for i in range(N)]
    context = made_context(table, [(value,) for value in values], splits, task="regress",
                           columns=dict(table.columns))  # fmt: skip
    head = NumbersHead([Field(name="target", kind="number")])
    head.fit(torch.tensor([[-1.0], [1.0]]))
    reader = rows_reader({"x": 1.0})
    reader.preparation = TabularPreprocessing.fit(table.columns)
    found = group_checks(made_subject(context, reader, head)).findings
    assert [one.key for one in found] == ["shared_group"] * told


@pytest.mark.parametrize("drifts", [True, False])
def test_a_drift_in_time_is_told_and_a_steady_world_is_not(drifts: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    days = torch.arange(N).float()
    labels = (torch.rand(N, generator=rng) < 0.5).long()
    sign = torch.where((days > 160) & torch.tensor(drifts), -1.0, 1.0)
    x = torch.stack([sign * (2.0 * labels - 1), days / 40 * drifts], 1) + 0.1 * torch.randn(N, 2, generator=rng)
    start = datetime.date(2020, 1, 1)
    dates = [(start + datetime.timedelta(days=int(day))).isoformat() for day in days]
    assert [one.key for one in theme(x, labels, {"seen": dates}).findings] == ["test_mixed_in_time"] * drifts


def test_parts_of_names_may_name_groups() -> None:
    parts = name_parts([f"{digit}/{digit}_{who}_{n}.wav" for digit in "01" for who in ("ann", "bob") for n in range(3)])
    assert set(parts["2"]) == {"ann", "bob"} and set(parts["1"]) == {"0", "1"} and len(parts) == 3
    assert name_parts(["a_1.wav", "b.wav"]) == {} and seen_share(["ann"], ["ann", "bob"]) == 0.5
