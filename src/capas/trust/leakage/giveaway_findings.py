"""What the leakage theme says of columns, lengths and the like that give the target away."""

import math
import re
from collections.abc import Sequence
from typing import Final

import torch

from capas.core.i18n import say
from capas.core.number_format import format_percent
from capas.data.inspect.shortcuts import find_shortcuts
from capas.data.tabular.columns import TableColumn
from capas.trust.leakage.class_marks import class_marks
from capas.trust.leakage.image_marks import explaining_strip, telling_marks
from capas.trust.leakage.target_giveaways import exact_pair, giveaway_pair, telling_gaps
from capas.trust.subgroups.example_properties import example_properties
from capas.trust.subjects.image_inputs import images_to_unit_range
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding

LOOKED_AT: Final = 1000
NEARLY_ALL: Final = 0.9
MARKS_SHOWN: Final = 4


def giveaway_findings(subject: ModelUnderTest) -> list[Finding]:
    """Return findings of training examples: a property or mark that tells the class, two columns that together give the
    target, and columns that are empty until it is known.
    """
    case, part = subject.run_context, subject.train
    if not len(part):
        return []
    columns, rows = subject.adapter.columns_of(subject.inputs), part.positions.tolist()[_spread(subject)]
    numbers = {name: values[_spread(subject)] for name, values in example_properties(subject, part).items()}
    given = {name: values for name, values in numbers.items() if name in columns}
    if case.task == "regress":
        if subject.adapter.images is not None:
            return _strip(subject)
        pair = exact_pair(given, part.targets[_spread(subject), 0])
        return [] if pair is None else [_pair_finding(*pair)]
    if case.task != "classify":
        return []
    classes = [case.classes[k] for k in part.targets.tolist()[_spread(subject)]]
    findings = _marks(subject) + _marking_words(subject, part.targets.tolist())
    findings += _beside_the_content(subject, {n: v for n, v in numbers.items() if n not in columns}, classes)
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


def _spread(subject: ModelUnderTest) -> slice:
    """Up to ``LOOKED_AT`` training examples from all over: they may lie by class, and the first be of a few."""
    return slice(None, None, max(1, math.ceil(len(subject.train) / LOOKED_AT)))


def _beside_the_content(subject: ModelUnderTest, numbers: dict[str, torch.Tensor], classes: list[str]) -> list[Finding]:
    """The length of a sound or text, and what a sound's file says of itself.

    Not loudness and light: they may be what is asked.
    """
    if subject.run_context.medium not in ("audio", "text"):
        return []
    case, held = subject.run_context, dict[str, Sequence[str | float | None]]()
    lengths = {say("attributes.seconds"), say("attributes.characters")}
    held |= {name: values.tolist() for name, values in numbers.items() if name in lengths}
    rows = [case.indices[i] for i in subject.train.positions.tolist()[_spread(subject)]]
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


def _marks(subject: ModelUnderTest) -> list[Finding]:
    """Colour, grain or a corner that tells the class of pictures: a mark, whether the network uses it or not."""
    if subject.adapter.images is None:
        return []
    images = images_to_unit_range(subject.train.prepared[_spread(subject)])
    found = telling_marks(images, subject.train.targets[_spread(subject)])
    return [
        Finding(
            key="told_beside_the_content",
            gravity="attention",
            text=say(
                "trust.leakage.mark",
                name=_mark_name(one.feature),
                label=subject.run_context.classes[one.label],
                share=format_percent(one.accuracy),
            ),
        )
        for one in found[:1]
    ]


def _marking_words(subject: ModelUnderTest, labels: list[int]) -> list[Finding]:
    """Words in nearly every text of a class and hardly any other, such as a footer: whether the network uses them or
    not.
    """
    if subject.run_context.medium != "text":
        return []
    texts = [" ".join(re.findall(r"\w+", str(text).casefold())) for text in subject.train.prepared[_spread(subject)]]
    found = class_marks(texts, labels[_spread(subject)], in_class=NEARLY_ALL)
    return [
        Finding(
            key="told_beside_the_content",
            gravity="attention",
            text=say(
                "trust.leakage.marking_words",
                words=", ".join(f"“{word}”" for word in words[:MARKS_SHOWN]),
                label=subject.run_context.classes[label],
            ),
        )
        for label, words in list(found.items())[:1]
    ]


def _strip(subject: ModelUnderTest) -> list[Finding]:
    """A strip along the border of pictures that tells the number."""
    images = images_to_unit_range(subject.train.prepared[_spread(subject)])
    found = explaining_strip(images, subject.train.targets[_spread(subject), 0])
    if found is None:
        return []
    target = subject.run_context.record.spec.targets[0].name
    where = say(f"trust.zones.where.{found[0]}")
    text = say("trust.leakage.strip", where=where, share=format_percent(found[1], 0), name=target)
    return [Finding(key="told_beside_the_content", gravity="attention", text=text)]


def _mark_name(name: str) -> str:
    if name in ("colour", "grain"):
        return say(f"trust.leakage.marks.{name}")
    return say("trust.leakage.place_alone", where=say(f"trust.zones.where.{name}"))


def _pair_finding(first: str, second: str, share: float) -> Finding:
    text = say("trust.leakage.pair_gives_target", first=first, second=second, share=format_percent(share))
    return Finding(key="columns_give_target", gravity="problem", text=text)


def _cells(cells: TableColumn, indices: list[int], rows: list[int]) -> list[object]:
    return [cells[indices[i]] for i in rows]
