"""Evaluation of transcripts of speech or handwriting: word and character error rates, by speaker and by file.

    WER = (substitutions + deletions + insertions) / words of the reference       over all utterances together

Counting is jiwer's (see ``capas.metrics.edit_distance``). References may allow several wordings (``alternatives``). The
worst utterances are listed with their alignment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.evaluation.bootstrap import SystemMeasurements, from_sums, headline_metric
from capas.evaluation.results import Cell, DetailTable, EvaluationResult, Given, parse_options
from capas.evaluation.speech.alternatives import nearest_wording, normalise_alternatives, parse_alternatives
from capas.evaluation.speech.mapsswe import utterance_errors
from capas.evaluation.speech.text_normalisation import TextNormalisation, normalise_text, read_rewrites
from capas.evaluation.speech.transcripts import (
    IGNORED,
    PairedTranscripts,
    Utterance,
    pair_transcripts,
    read_references,
)
from capas.evaluation.speech.word_alignment import align_transcripts
from capas.metrics.edit_distance import Edits, count_edits

WORST: Final = 5
_NONE: Final = Edits(hits=0, substitutions=0, deletions=0, insertions=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechOptions:
    """Options of speech evaluation: text normalisation, and whether lines begin with the utterance's name (``ids``)."""

    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_diacritics: bool = False
    fillers: str = field(default="")
    glm: str = field(default="")
    ids: bool = False

    @property
    def writing(self) -> TextNormalisation:
        """The normalisation rules. Raises CapasError for a broken file of contractions."""
        return TextNormalisation(
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


def score_speech(reference: Path, hypothesis: Path, given: Given) -> EvaluationResult:
    """Return WER and CER of ``hypothesis``. Raises CapasError naming file and line of what does not fit."""
    options = parse_options(SpeechOptions, given, "speech")
    writing = options.writing
    pairs = pair_transcripts(reference, hypothesis, options.ids)
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
    errors = tuple(
        utterance_errors(align_transcripts(one.reference.split(), one.hypothesis.split())) for one in compared
    )
    return EvaluationResult(task="speech", measured=measured, counts=counts, tables=tuple(t for t in tables if t.rows),
                 notes=_notes(pairs, total), lacks=pairs.notes, errors=errors)  # fmt: skip


def speech_inputs(reference: Path, given: Given) -> tuple[str, ...]:
    """Return the utterances of a reference, without words or speakers."""
    options = parse_options(SpeechOptions, given, "speech")
    return tuple(
        f"{one.file} {one.channel} {one.start_s:g} {one.end_s:g}" if one.allows else one.name
        for one in read_references(reference, options.ids) if one.text.casefold() != IGNORED
    )  # fmt: skip


def _compared(utterance: Utterance, said: str, writing: TextNormalisation) -> _Compared:
    hypothesis = normalise_text(said, writing)
    if utterance.allows:
        slots = normalise_alternatives(
            parse_alternatives(utterance.text, utterance.where), lambda text: normalise_text(text, writing)
        )
        reference = " ".join(nearest_wording(slots, hypothesis.split()))
    else:
        reference = normalise_text(utterance.text, writing)
    return _Compared(utterance=utterance, reference=reference, hypothesis=hypothesis,
                     words=count_edits(reference.split(), hypothesis.split()),
                     characters=count_edits(reference, hypothesis))  # fmt: skip


def _measured(compared: Sequence[_Compared]) -> SystemMeasurements:
    stats = torch.tensor(
        [[c.words.distance, c.words.length, c.characters.distance, c.characters.length] for c in compared]
    ).double()

    def rates(sums: Tensor) -> Tensor:
        # As jiwer: against an empty reference every insertion counts as one whole error.
        return torch.stack([sums[:, 0] / sums[:, 1].clamp(min=1), sums[:, 2] / sums[:, 3].clamp(min=1)], dim=1)

    units = tuple(one.utterance.name for one in compared)
    return SystemMeasurements(names=("wer", "cer"), units=units, sizes=stats[:, [1, 3]], of=from_sums(stats, rates))


def _grouped(
    name: str, title: str, compared: Sequence[_Compared], measured: SystemMeasurements, key: Callable[[Utterance], str]
) -> DetailTable:
    """WER by speaker or file; no rows where there is but one."""
    groups = sorted({key(one.utterance) for one in compared} - {""})
    rows = []
    for group in groups if len(groups) > 1 else ():
        chosen = torch.tensor([key(one.utterance) == group for one in compared])
        total = sum((one.words for one in compared if key(one.utterance) == group), _NONE)
        wer = headline_metric(measured, chosen=chosen)
        rows.append((group, total.length, wer, total.substitutions, total.deletions, total.insertions))
    columns = (("name", ""), ("words", say("score.column_words")), ("wer", "WER"),
               ("substitutions", say("score.column_substitutions")), ("deletions", say("score.column_deletions")),
               ("insertions", say("score.column_insertions")))  # fmt: skip
    return DetailTable(name=name, title=title, columns=columns, rows=tuple(rows))


def _worst(compared: Sequence[_Compared]) -> DetailTable:
    wrong = sorted((one for one in compared if one.words.distance), key=lambda one: -one.words.distance)[:WORST]
    rows: list[tuple[Cell, ...]] = []
    for one in wrong:
        above, below = aligned_text(one.reference.split(), one.hypothesis.split())
        rows.append((one.utterance.name, one.words.distance, one.words.length, above, below))
    columns = (("utterance", ""), ("errors", say("score.column_errors")), ("words", say("score.column_words")),
               ("reference", say("score.reference")), ("hypothesis", say("score.hypothesis")))  # fmt: skip
    return DetailTable(name="worst", title=say("score.worst"), columns=columns, rows=tuple(rows), lines=True)


def aligned_text(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[str, str]:
    """Return the two texts with aligned words below each other; ``***`` where one has none.

    >>> aligned_text("the big cat".split(), "the cats sat".split())
    ('the big  cat', 'the cats sat')
    """
    pairs = [(wanted or "***", said or "***") for wanted, said in align_transcripts(reference, hypothesis)]
    padded = [(a.ljust(len(b)), b.ljust(len(a))) for a, b in pairs]
    return " ".join(a for a, _ in padded).rstrip(), " ".join(b for _, b in padded).rstrip()


def _notes(pairs: PairedTranscripts, total: Edits) -> tuple[str, ...]:
    return (say("score.note_errors", substitutions=total.substitutions, deletions=total.deletions,
                insertions=total.insertions, words=total.length, utterances=len(pairs.references)),)  # fmt: skip
