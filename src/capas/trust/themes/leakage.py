"""Was the test really unseen? Test examples that are in the training examples too, exactly or nearly."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from capas.core.figures import figure_name, figure_text
from capas.core.messages import say
from capas.data.inputs import Sentences, Texts
from capas.data.pictures import Pictures
from capas.tasks.metrics import Rate, rate
from capas.trust.asked import Asked
from capas.trust.blocks import Block, Gallery, Grid, Sentence, Shown
from capas.trust.leakage import (
    Leak,
    exact_leaks,
    merged,
    near_leaks,
    near_text_leaks,
    normalised,
    print_of,
    with_and_without,
)
from capas.trust.pair_leaks import figure_without, same_answers
from capas.trust.theme import Finding, Gravity, Theme
from capas.trust.themes.groups import right_ones

PAIRED = ("transform", "translate")  # whose wanted side is as much of the example as the given one
MOST_TRAIN, MOST_TEST = 20_000, 2_000
SHOWN, LISTED = 6, 20
GRAVE = 0.02
LEAST_SIDE = 16  # pixels: below it different pictures are as alike as copies (digits of 8×8: one in ten)
SMALL_SIDE = 40  # pixels: simple pictures below it look alike by chance
CONTROLS = 500


def leakage(asked: Asked) -> Theme:
    """See the module."""
    case = asked.case
    train, test = case.record.positions("train")[:MOST_TRAIN], case.record.positions("test")[:MOST_TEST]
    hashes = case.record.hashes
    exact = exact_leaks([hashes[i] for i in train.tolist()], [hashes[i] for i in test.tolist()])
    near, compared, usual = _near(asked, train, test)
    wanted = same_answers(case, train, test)
    leaks = merged(exact, merged(near, wanted if case.task in PAIRED else ()))
    share = rate(len(leaks), len(test))
    facts: dict[str, object] = {
        "n": len(test),
        "compared_with": len(train),
        "exact": len(exact),
        "near": len(leaks) - len(exact),
        "share": share.as_json(),
        "near_compared": bool(compared),
        "among_training": None if usual is None else usual.as_json(),
        **({"same_answer": len(wanted)} if case.source.targets is not None else {}),
        "examples": [
            {
                "test": case.record.names[int(test[leak.test])],
                "train": case.record.names[int(train[leak.train])],
                "likeness": round(leak.likeness, 4),
            }
            for leak in leaks[:LISTED]
        ],
    }
    blocks: list[Block] = [Sentence(text=say("trust.leakage.compared", n=len(test), m=len(train)))]
    findings = []
    if wanted and case.task not in PAIRED:
        share_of = rate(len(wanted), len(test)).as_json()
        blocks.append(Sentence(text=say("trust.many.same_answer", count=len(wanted), share=figure_text(share_of))))
    if leaks:
        blocks += _shown(asked, train, test, leaks)
    if leaks and not exact and usual is not None and share.interval[0] <= usual.interval[1]:
        said = say("trust.leakage.by_chance", count=len(leaks), usual=figure_text(usual.as_json()))
        blocks.insert(1, Sentence(text=said))
    elif leaks:
        text = say("trust.leakage.found", count=len(leaks), share=figure_text(share.as_json()))
        clean = _without(asked, test, leaks)
        if clean is not None:
            facts["without_them"] = clean
            text += " " + say("trust.leakage.without", right=figure_text(clean))
        figure = figure_without(case, test, leaks) if asked.subject is None else None
        if figure is not None:
            facts["without_them"] = figure[1]
            text += " " + say("trust.many.without", name=figure_name(figure[0]), figure=figure_text(figure[1]))
        gravity: Gravity = "problem" if share.value >= GRAVE else "attention"
        findings.append(Finding(key="leaked_test", gravity=gravity, text=text))
    untested = [say("trust.leakage.untested")] if compared else [say("trust.leakage.only_exact")]
    return Theme(name="leakage", facts=facts, blocks=blocks, findings=findings, untested=untested)


def _near(asked: Asked, train: torch.Tensor, test: torch.Tensor) -> tuple[tuple[Leak, ...], str, Rate | None]:
    """Near duplicates; among what they were looked for, "" where they were not; and, of small pictures, how many of the
    training examples resemble another as much: that many do by chance."""
    inputs, indices = asked.case.inputs, asked.case.indices
    if isinstance(inputs, Texts):
        texts = [[inputs.texts[indices[i]] for i in part.tolist()] for part in (train, test)]
        same = exact_leaks(*([normalised(text) for text in part] for part in texts))
        return merged(same, near_text_leaks(*texts)), "texts", None
    if isinstance(inputs, Sentences):
        sentences = [[" ".join(inputs.sentences[indices[i]]) for i in part.tolist()] for part in (train, test)]
        same = exact_leaks(*([normalised(text) for text in part] for part in sentences))
        return merged(same, near_text_leaks(*sentences)), "texts", None
    if isinstance(inputs, Pictures):
        sizes = [min(inputs.decode(indices[i]).shape[:2]) for i in test[:20].tolist()]
        if min(sizes) < LEAST_SIDE:
            return (), "", None
        side = min(32, *sizes)
        prints = [
            np.stack([print_of(inputs.decode(indices[i]), side) for i in part.tolist()]) for part in (train, test)
        ]
        usual = _usual(prints[0]) if min(sizes) <= SMALL_SIDE else None
        return near_leaks(prints[0], prints[1]), "pictures", usual
    return (), "", None


def _usual(prints: NDArray[np.uint8]) -> Rate:
    """How many of (at most 500) training prints, evenly spread, resemble one of the others."""
    chosen = np.arange(0, len(prints), max(1, len(prints) // CONTROLS))[:CONTROLS]
    others = np.delete(prints, chosen, axis=0)
    return rate(len(near_leaks(others, prints[chosen])), len(chosen))


def _without(asked: Asked, test: torch.Tensor, leaks: Sequence[Leak]) -> dict[str, object] | None:
    subject = asked.subject
    if subject is None or asked.case.task != "classify":
        return None
    places = {int(position): number for number, position in enumerate(subject.test.positions.tolist())}
    right = right_ones(subject)
    kept = torch.tensor([bool(right[places[i]]) for i in test.tolist() if i in places])
    if len(kept) != len(test):
        return None
    return with_and_without(kept, leaks).clean.as_json()


def _shown(asked: Asked, train: torch.Tensor, test: torch.Tensor, leaks: Sequence[Leak]) -> list[Block]:
    case = asked.case
    first = sorted(leaks, key=lambda leak: -leak.likeness)[:SHOWN]
    if isinstance(case.inputs, Pictures):
        pictures = []
        for leak in first:
            for part, number, key in ((test, leak.test, "test"), (train, leak.train, "train")):
                position = int(part[number])
                array = case.inputs.decode(case.indices[position])
                caption = say(f"trust.leakage.in_{key}", name=case.record.names[position])
                pictures.append(Shown(picture=array[..., 0] if array.shape[2] == 1 else array, caption=caption))
        return [Gallery(title=say("trust.leakage.pairs"), pictures=pictures)]
    rows = [[case.record.names[int(test[leak.test])], case.record.names[int(train[leak.train])]] for leak in first]
    return [
        Grid(title=say("trust.leakage.pairs"), heads=[say("trust.leakage.test"), say("trust.leakage.train")], rows=rows)
    ]
