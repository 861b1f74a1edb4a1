"""Theme of leakage: test examples that are among the training examples too, exactly or nearly."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from capas.core.i18n import say
from capas.core.number_format import format_metric, metric_name
from capas.data.collections import SentenceCollection, TableRows, TextCollection
from capas.metrics.rate import Rate, rate
from capas.trust.generation.samples_shown import copy_blocks, copy_findings
from capas.trust.leakage.giveaway_findings import giveaway_findings
from capas.trust.leakage.group_findings import group_checks
from capas.trust.leakage.near_duplicate_images import image_fingerprint, near_duplicate_images
from capas.trust.leakage.near_duplicate_rows import near_duplicate_rows, rate_by_chance
from capas.trust.leakage.near_duplicate_sounds import near_duplicate_sounds
from capas.trust.leakage.near_duplicate_texts import near_duplicate_texts, normalized_for_matching
from capas.trust.leakage.target_leaks import metric_without_leaks, same_target_leaks
from capas.trust.leakage.train_test_overlap import (
    Leak,
    accuracy_by_leakage,
    exact_train_test_duplicates,
    merge_leaks,
)
from capas.trust.rendering.blocks import Block, CaptionedImage, Grid, ImageGallery, Sentence
from capas.trust.subjects.audio_inputs import waveform_of
from capas.trust.subjects.single_output import ModelUnderTest, correct_test_predictions
from capas.trust.theme import Finding, Gravity, Theme
from capas.trust.theme_context import ThemeContext

PAIRED = ("transform", "translate")  # whose wanted side is as much of the example as the given one
MAX_TRAIN, MAX_TEST = 20_000, 2_000
SHOWN, LISTED = 6, 20
GRAVE = 0.02
MIN_SIDE = 16  # pixels: below it different pictures are as alike as copies (digits of 8×8: one in ten)
SMALL_SIDE = 40  # pixels: simple pictures below it look alike by chance
CONTROLS, CONTROL_SOUNDS = 500, 100


def leakage_theme(context: ThemeContext) -> Theme:
    """Return the theme of leakage."""
    run_context = context.run_context
    train, test = run_context.record.positions("train"), run_context.record.positions("test")
    # From all over: they may lie by class.
    train, test = (
        held[:: max(1, math.ceil(len(held) / most))] for held, most in ((train, MAX_TRAIN), (test, MAX_TEST))
    )
    hashes = run_context.record.hashes
    exact = exact_train_test_duplicates([hashes[i] for i in train.tolist()], [hashes[i] for i in test.tolist()])
    near, compared, usual = _near(context, train, test)
    same_target = same_target_leaks(run_context, train, test)
    leaks = merge_leaks(exact, merge_leaks(near, same_target if run_context.task in PAIRED else ()))
    share = rate(len(leaks), len(test))
    facts: dict[str, object] = {
        "n": len(test),
        "compared_with": len(train),
        "exact": len(exact),
        "near": len(leaks) - len(exact),
        "share": share.as_json(),
        "near_compared": bool(compared),
        "among_training": None if usual is None else usual.as_json(),
        **({"same_answer": len(same_target)} if run_context.source.targets is not None else {}),
        "examples": [
            {
                "test": run_context.record.names[int(test[leak.test])],
                "train": run_context.record.names[int(train[leak.train])],
                "likeness": round(leak.similarity, 4),
            }
            for leak in leaks[:LISTED]
        ],
    }
    blocks: list[Block] = [Sentence(text=say("trust.leakage.compared", n=len(test), m=len(train)))]
    blocks += copy_blocks(context)
    findings = copy_findings(context)
    if same_target and run_context.task not in PAIRED:
        share_of = rate(len(same_target), len(test)).as_json()
        blocks.append(
            Sentence(text=say("trust.many.same_answer", count=len(same_target), share=format_metric(share_of)))
        )
    if leaks:
        blocks += _shown(context, train, test, leaks)
    if leaks and not exact and usual is not None and share.interval[0] <= usual.interval[1]:
        key = "trust.leakage.by_chance_rows" if compared == "rows" else "trust.leakage.by_chance"
        said = say(key, count=len(leaks), usual=format_metric(usual.as_json()))
        blocks.insert(1, Sentence(text=said))
    elif leaks:
        text = say("trust.leakage.found", count=len(leaks), share=format_metric(share.as_json()))
        clean = _without(context, test, leaks)
        if clean is not None:
            facts["without_them"] = clean
            text += " " + say("trust.leakage.without", right=format_metric(clean))
        figure = metric_without_leaks(run_context, test, leaks) if context.subject is None else None
        if figure is not None:
            facts["without_them"] = figure[1]
            text += " " + say("trust.many.without", name=metric_name(figure[0]), figure=format_metric(figure[1]))
        gravity: Gravity = "problem" if share.value >= GRAVE else "attention"
        findings.append(Finding(key="leaked_test", gravity=gravity, text=text))
    if context.subject is not None:
        checks = group_checks(context.subject)
        facts["groups"] = checks.facts
        blocks += checks.blocks
        findings += checks.findings + giveaway_findings(context.subject)
    untested = [say("trust.leakage.untested")] if compared else [say("trust.leakage.only_exact")]
    return Theme(name="leakage", facts=facts, blocks=blocks, findings=findings, untested=untested)


def _near(context: ThemeContext, train: torch.Tensor, test: torch.Tensor) -> tuple[tuple[Leak, ...], str, Rate | None]:
    """Near duplicates; among what they were looked for, "" where they were not; and, of small images, sounds and rows,
    how many resemble another as much by chance: training examples, or rows whose columns were shuffled."""
    inputs, indices = context.run_context.inputs, context.run_context.indices
    images = context.run_context.source.images
    if isinstance(inputs, TextCollection | SentenceCollection):
        texts = [[inputs.text(indices[i]) for i in part.tolist()] for part in (train, test)]
        same = exact_train_test_duplicates(*([normalized_for_matching(text) for text in part] for part in texts))
        return merge_leaks(same, near_duplicate_texts(*texts)), "texts", None
    if isinstance(inputs, TableRows):
        rows = [_codes(inputs, [indices[i] for i in part.tolist()]) for part in (train, test)]
        chance = rate_by_chance(rows[0], rows[1], np.random.default_rng(0)) if len(test) else None
        return near_duplicate_rows(rows[0], rows[1]), "rows", chance
    if context.subject is not None and context.subject.adapter.audio is not None:
        leaks, usual = _near_sounds(context.subject, train, test)
        return leaks, "sounds", usual
    if images is not None:
        sizes = [min(images.decode(indices[i]).shape[:2]) for i in test[:20].tolist()]
        if min(sizes) < MIN_SIDE:
            return (), "", None
        side = min(32, *sizes)
        prints = [
            np.stack([image_fingerprint(images.decode(indices[i]), side) for i in part.tolist()])
            for part in (train, test)
        ]
        usual = rate_among_training(prints[0]) if min(sizes) <= SMALL_SIDE else None
        return near_duplicate_images(prints[0], prints[1]), "pictures", usual
    return (), "", None


def _codes(inputs: TableRows, rows: list[int]) -> NDArray[np.int64]:
    """The cells of rows as codes, equal where the cells are, shape (N, D)."""
    columns = [column.factorize()[0] for column in inputs.columns.values()]
    return np.stack([codes[rows] for codes in columns], 1).astype(np.int64)


def _near_sounds(
    subject: ModelUnderTest, train: torch.Tensor, test: torch.Tensor
) -> tuple[tuple[Leak, ...], Rate | None]:
    """Among those that the model under test has in memory, with indices as in ``train`` and ``test``; and how many
    training sounds are as like another one."""
    parts = (subject.train, subject.test)
    places = [{p: i for i, p in enumerate(whole.tolist())} for whole in (train, test)]
    known = [
        [
            (place[p], waveform_of(wave))
            for p, wave in zip(part.positions.tolist(), part.prepared, strict=True)
            if p in place
        ]
        for part, place in zip(parts, places, strict=True)
    ]
    if not all(known):
        return (), None
    (learnt, held), (asked, heard) = ([list(one) for one in zip(*part, strict=True)] for part in known)
    chosen = np.linspace(0, len(held) - 1, min(CONTROL_SOUNDS, len(held))).round().astype(int).tolist()
    control = near_duplicate_sounds(held, [held[i] for i in chosen], own=chosen)
    leaks = tuple(
        Leak(test=asked[leak.test], train=learnt[leak.train], similarity=leak.similarity, mirrored=False)
        for leak in near_duplicate_sounds(held, heard)
    )
    return leaks, rate(len(control), len(chosen))


def rate_among_training(prints: NDArray[np.uint8]) -> Rate:
    """Return how many of (at most 500) training fingerprints (N, S, S), evenly spread, resemble one of the others."""
    chosen = np.linspace(0, len(prints) - 1, min(CONTROLS, len(prints))).round().astype(np.int64)
    return rate(len(near_duplicate_images(prints, prints[chosen], own=chosen)), len(chosen))


def _without(context: ThemeContext, test: torch.Tensor, leaks: Sequence[Leak]) -> dict[str, object] | None:
    subject = context.subject
    if subject is None or context.run_context.task != "classify":
        return None
    places = {int(position): number for number, position in enumerate(subject.test.positions.tolist())}
    right = correct_test_predictions(subject)
    kept = torch.tensor([bool(right[places[i]]) for i in test.tolist() if i in places])
    if len(kept) != len(test):
        return None
    return accuracy_by_leakage(kept, leaks).clean.as_json()


def _shown(context: ThemeContext, train: torch.Tensor, test: torch.Tensor, leaks: Sequence[Leak]) -> list[Block]:
    run_context = context.run_context
    first = sorted(leaks, key=lambda leak: -leak.similarity)[:SHOWN]
    images = run_context.source.images
    if images is not None:
        pictures = []
        for leak in first:
            for part, number, key in ((test, leak.test, "test"), (train, leak.train, "train")):
                position = int(part[number])
                array = images.decode(run_context.indices[position])
                caption = say(f"trust.leakage.in_{key}", name=run_context.record.names[position])
                pictures.append(CaptionedImage(image=array[..., 0] if array.shape[2] == 1 else array, caption=caption))
        return [ImageGallery(title=say("trust.leakage.pairs"), images=pictures)]
    rows = [
        [run_context.record.names[int(test[leak.test])], run_context.record.names[int(train[leak.train])]]
        for leak in first
    ]
    return [
        Grid(title=say("trust.leakage.pairs"), heads=[say("trust.leakage.test"), say("trust.leakage.train")], rows=rows)
    ]
