"""What the leakage theme says of columns, lengths and the like that give the target away."""

from collections.abc import Sequence
from typing import Final

import torch

from capas.core.i18n import say
from capas.core.number_format import format_percent
from capas.data.inspect.shortcuts import find_shortcuts
from capas.data.tabular.columns import TableColumn
from capas.trust.leakage.target_giveaways import exact_pair, giveaway_pair, telling_gaps
from capas.trust.subgroups.example_properties import example_properties
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding

LOOKED_AT: Final = 1000


def giveaway_findings(subject: ModelUnderTest) -> list[Finding]:
    """Return findings of training examples: a property that tells the class, two columns that together give the target,
    and columns that are empty until it is known.
    """
    case, part = subject.run_context, subject.train
    if not len(part):
        return []
    columns, rows = subject.adapter.columns_of(subject.inputs), part.positions.tolist()[:LOOKED_AT]
    numbers = {name: values[:LOOKED_AT] for name, values in example_properties(subject, part).items()}
    given = {name: values for name, values in numbers.items() if name in columns}
    if case.task == "regress":
        pair = exact_pair(given, part.targets[:LOOKED_AT, 0])
        return [] if pair is None else [_pair_finding(*pair)]
    if case.task != "classify":
        return []
    classes = [case.classes[k] for k in part.targets.tolist()[:LOOKED_AT]]
    findings = _beside_the_content(subject, {n: v for n, v in numbers.items() if n not in columns}, classes)
    pair = giveaway_pair(given, classes)
    findings += [] if pair is None else [_pair_finding(*pair)]
    gaps = telling_gaps({name: _cells(cells, case.indices, rows) for name, cells in columns.items()}, classes)
    findings += [
        Finding(
            key="filled_in_later",
            gravity="problem",
            text=say("trust.leakage.filled_in_later", name=name, share=format_percent(accuracy)),
        )
        for name, accuracy in gaps[:1]
    ]
    return findings


def _beside_the_content(subject: ModelUnderTest, numbers: dict[str, torch.Tensor], classes: list[str]) -> list[Finding]:
    """The length of a sound or text, and what a sound's file says of itself.

    Not loudness and light: they may be what is asked.
    """
    if subject.run_context.medium not in ("audio", "text"):
        return []
    case, held = subject.run_context, dict[str, Sequence[str | float | None]]()
    lengths = {say("attributes.seconds"), say("attributes.characters")}
    held |= {name: values.tolist() for name, values in numbers.items() if name in lengths}
    rows = [case.indices[i] for i in subject.train.positions.tolist()[:LOOKED_AT]]
    facts = subject.adapter.file_facts(subject.inputs, rows)
    held |= {say(f"attributes.{name}"): values for name, values in facts.items()}
    found = find_shortcuts(held, classes)
    return [
        Finding(
            key="told_beside_the_content",
            gravity="attention",
            text=say("trust.leakage.beside", name=one.attribute, share=format_percent(one.accuracy)),
        )
        for one in found[:1]
    ]


def _pair_finding(first: str, second: str, share: float) -> Finding:
    text = say("trust.leakage.pair_gives_target", first=first, second=second, share=format_percent(share))
    return Finding(key="columns_give_target", gravity="problem", text=text)


def _cells(cells: TableColumn, indices: list[int], rows: list[int]) -> list[object]:
    return [cells[indices[i]] for i in rows]
