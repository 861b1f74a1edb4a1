"""Transcripts of speech (or handwriting): word and character error rates, by speaker and by file, and the worst
utterances with their alignment.

    WER = (substitutions + deletions + insertions) / words of the reference       over all utterances together

The way of counting is jiwer's (see ``tasks.edit_distance``). References may allow several wordings (``alternatives``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from capas.core.messages import say
from capas.score.alignment import alignment
from capas.score.alternatives import nearest_wording, reworded, slots_of
from capas.score.matched_pairs import errors_of
from capas.score.outcome import Cell, Given, Score, Table, options_of
from capas.score.resample import Measured, headline_of, summed
from capas.score.transcripts import IGNORED, Paired, Utterance, paired, read_references
from capas.score.words import Writing, normalised, read_rewrites
from capas.tasks.edit_distance import Edits, edits

WORST: Final = 5
_NONE: Final = Edits(hits=0, substitutions=0, deletions=0, insertions=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechOptions:
    """What is forgiven, and how files are read (``ids``: each line of a text begins with the utterance's name)."""

    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_diacritics: bool = False
    fillers: str = field(default="")
    glm: str = field(default="")
    ids: bool = False

    @property
    def writing(self) -> Writing:
        """The rules. Raises CapasError for a broken file of contractions."""
        return Writing(
            ignore_case=self.ignore_case,
            ignore_punctuation=self.ignore_punctuation,
            ignore_diacritics=self.ignore_diacritics,
            fillers=frozenset(filter(None, map(str.strip, self.fillers.split(",")))),
            rewrites=read_rewrites(Path(self.glm)) if self.glm else {},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Compared:
    utterance: Utterance
    reference: str
    hypothesis: str
    words: Edits
    characters: Edits


def score_speech(reference: Path, hypothesis: Path, given: Given) -> Score:
    """WER and CER of ``hypothesis``. Raises CapasError naming file and line of what does not fit."""
    options = options_of(SpeechOptions, given, "speech")
    writing = options.writing
    pairs = paired(reference, hypothesis, options.ids)
    compared = [_compared(one, said, writing) for one, said in zip(pairs.references, pairs.hypotheses, strict=True)]
    measured = _measured(compared)
    total = sum((one.words for one in compared), _NONE)
    counts = {"substitutions": total.substitutions, "deletions": total.deletions, "insertions": total.insertions,
              "hits": total.hits, "words": total.length, "utterances": len(compared)}  # fmt: skip
    tables = [
        _grouped("speakers", say("score.by_speaker"), compared, measured, lambda one: one.speaker),
        _grouped("files", say("score.by_file"), compared, measured, lambda one: one.file),
        _worst(compared),
    ]
    errors = tuple(errors_of(alignment(one.reference.split(), one.hypothesis.split())) for one in compared)
    return Score(task="speech", measured=measured, counts=counts, tables=tuple(t for t in tables if t.rows),
                 notes=_notes(pairs, total), lacks=pairs.notes, errors=errors)  # fmt: skip


def speech_inputs(reference: Path, given: Given) -> tuple[str, ...]:
    """The utterances of a reference, without words or speakers."""
    options = options_of(SpeechOptions, given, "speech")
    return tuple(
        f"{one.file} {one.channel} {one.start_s:g} {one.end_s:g}" if one.allows else one.name
        for one in read_references(reference, options.ids) if one.text.casefold() != IGNORED
    )  # fmt: skip


def _compared(utterance: Utterance, said: str, writing: Writing) -> _Compared:
    hypothesis = normalised(said, writing)
    if utterance.allows:
        slots = reworded(slots_of(utterance.text, utterance.where), lambda text: normalised(text, writing))
        reference = " ".join(nearest_wording(slots, hypothesis.split()))
    else:
        reference = normalised(utterance.text, writing)
    return _Compared(utterance=utterance, reference=reference, hypothesis=hypothesis,
                     words=edits(reference.split(), hypothesis.split()),
                     characters=edits(reference, hypothesis))  # fmt: skip


def _measured(compared: Sequence[_Compared]) -> Measured:
    stats = torch.tensor(
        [[c.words.distance, c.words.length, c.characters.distance, c.characters.length] for c in compared]
    ).double()

    def rates(sums: Tensor) -> Tensor:
        # As jiwer: against an empty reference every insertion counts as one whole error.
        return torch.stack([sums[:, 0] / sums[:, 1].clamp(min=1), sums[:, 2] / sums[:, 3].clamp(min=1)], dim=1)

    units = tuple(one.utterance.name for one in compared)
    return Measured(names=("wer", "cer"), units=units, sizes=stats[:, [1, 3]], of=summed(stats, rates))


def _grouped(
    name: str, title: str, compared: Sequence[_Compared], measured: Measured, key: Callable[[Utterance], str]
) -> Table:
    """WER by speaker or file; no rows where there is but one."""
    groups = sorted({key(one.utterance) for one in compared} - {""})
    rows = []
    for group in groups if len(groups) > 1 else ():
        chosen = torch.tensor([key(one.utterance) == group for one in compared])
        total = sum((one.words for one in compared if key(one.utterance) == group), _NONE)
        wer = headline_of(measured, chosen=chosen)
        rows.append((group, total.length, wer, total.substitutions, total.deletions, total.insertions))
    columns = (("name", ""), ("words", say("score.column_words")), ("wer", "WER"),
               ("substitutions", say("score.column_substitutions")), ("deletions", say("score.column_deletions")),
               ("insertions", say("score.column_insertions")))  # fmt: skip
    return Table(name=name, title=title, columns=columns, rows=tuple(rows))


def _worst(compared: Sequence[_Compared]) -> Table:
    wrong = sorted((one for one in compared if one.words.distance), key=lambda one: -one.words.distance)[:WORST]
    rows: list[tuple[Cell, ...]] = []
    for one in wrong:
        above, below = aligned(one.reference.split(), one.hypothesis.split())
        rows.append((one.utterance.name, one.words.distance, one.words.length, above, below))
    columns = (("utterance", ""), ("errors", say("score.column_errors")), ("words", say("score.column_words")),
               ("reference", say("score.reference")), ("hypothesis", say("score.hypothesis")))  # fmt: skip
    return Table(name="worst", title=say("score.worst"), columns=columns, rows=tuple(rows), lines=True)


def aligned(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[str, str]:
    """The two, words below each other; ``***`` where one has none. A shortest way, the same that is counted.

    >>> aligned("the big cat".split(), "the cats sat".split())
    ('the big  cat', 'the cats sat')
    """
    pairs = [(wanted or "***", said or "***") for wanted, said in alignment(reference, hypothesis)]
    padded = [(a.ljust(len(b)), b.ljust(len(a))) for a, b in pairs]
    return " ".join(a for a, _ in padded).rstrip(), " ".join(b for _, b in padded).rstrip()


def _notes(pairs: Paired, total: Edits) -> tuple[str, ...]:
    return (say("score.note_errors", substitutions=total.substitutions, deletions=total.deletions,
                insertions=total.insertions, words=total.length, utterances=len(pairs.references)),)  # fmt: skip
