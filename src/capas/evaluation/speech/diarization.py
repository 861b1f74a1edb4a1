"""Evaluation of speaker diarization: diarization error rate (DER) and Jaccard error rate (JER).

    DER = (missed + false alarm + confusion) / speech of the reference            in seconds of speakers

under the one-to-one assignment of speakers, file by file, with the longest common time (NIST, "The 2009 Rich
Transcription evaluation plan"); JER is the mean over reference speakers of 1 - |r ∩ h| / |r ∪ h|, 1 for one without
partner (Ryant et al., "The Second DIHARD Diarization Challenge", Interspeech 2019).

Conventions are pyannote.metrics'. ``collar`` is the whole width of what is left out around the ends of each reference
turn: 0.25 leaves out 0.125 s on each side. NIST's md-eval counts one side: its ``-c 0.25`` is 0.5 here. Turns of one
speaker that overlap count twice. Without a UEM a file is scored from the first to the last turn of either.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.evaluation.bootstrap import SystemMeasurements, from_sums, metrics_with_intervals
from capas.evaluation.results import Cell, DetailTable, EvaluationResult, Given, parse_options
from capas.evaluation.speech.speaker_turns import Span, Turn, merged_spans, read_rttm, read_uem, subtract_spans
from capas.evaluation.table_files import shortened


@dataclass(frozen=True, kw_only=True, slots=True)
class DiarizationOptions:
    """Options of diarization.

    Attributes:
        collar: In seconds (whole width).
        skip_overlap: Whether overlapping speech is left out.
        uem: File of the scored regions.
    """

    collar: Annotated[float, Field(ge=0)] = 0.0
    skip_overlap: bool = False
    uem: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorComponents:
    """The components of one file's DER, in seconds; ``jaccard`` is the sum over its ``speakers``."""

    missed: float
    false_alarm: float
    confusion: float
    total: float
    jaccard: float
    speakers: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Region:
    """A stretch of ``length`` seconds in which nobody begins or ends: who speaks in reference and hypothesis."""

    length: float
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]


def score_diarization(reference: Path, hypothesis: Path, given: Given) -> EvaluationResult:
    """Return DER and JER of ``hypothesis``. Raises CapasError naming file and line of what does not fit."""
    options = parse_options(DiarizationOptions, given, "diarization")
    wanted, said = read_rttm(reference), read_rttm(hypothesis)
    uem = read_uem(Path(options.uem)) if options.uem else None
    files = sorted(uem) if uem is not None else sorted(wanted)
    _refuse_unknown(wanted, said, uem, hypothesis, reference)
    parts = [
        diarization_components(wanted.get(name, []), said.get(name, []), None if uem is None else uem[name],
                   collar=options.collar, skip_overlap=options.skip_overlap)
        for name in files
    ]  # fmt: skip
    measured = _measured(files, parts)
    counts = {
        "missed_s": round(sum(part.missed for part in parts), 6),
        "false_alarm_s": round(sum(part.false_alarm for part in parts), 6),
        "confusion_s": round(sum(part.confusion for part in parts), 6),
        "speech_s": round(sum(part.total for part in parts), 6),
    }
    notes = [say("score.note_collar", collar=f"{options.collar:g}", half=f"{options.collar / 2:g}")]
    absent = [name for name in files if name not in said and wanted.get(name)]
    lacks = (say("score.note_absent_missed", n=len(absent), names=shortened(absent)),) if absent else ()
    if uem is None:
        notes.append(say("score.note_no_uem"))
    elif left := sorted(set(wanted) - set(uem)):
        notes.append(say("score.note_not_in_uem", n=len(left), names=shortened(left)))
    return EvaluationResult(task="diarization", measured=measured, counts=counts, tables=(_by_file(measured, parts),),
                 notes=tuple(notes), lacks=lacks)  # fmt: skip


def diarization_inputs(reference: Path, given: Given) -> tuple[str, ...]:
    """Return the names of the files."""
    options = parse_options(DiarizationOptions, given, "diarization")
    return tuple(sorted(read_uem(Path(options.uem)) if options.uem else read_rttm(reference)))


def diarization_components(
    reference: Sequence[Turn], hypothesis: Sequence[Turn], scored: list[Span] | None, *,
    collar: float = 0.0, skip_overlap: bool = False,
) -> ErrorComponents:  # fmt: skip
    """Return the error components of one file; ``scored`` None: from the first to the last turn of either."""
    regions = _regions(reference, hypothesis, _evaluated(reference, hypothesis, scored, collar, skip_overlap))
    pairs = _partners(regions)
    missed = false_alarm = confusion = total = 0.0
    for region in regions:
        wanted, said = len(region.reference), len(region.hypothesis)
        right = (Counter(region.reference) & Counter(pairs.get(h, "") for h in region.hypothesis)).total()
        missed += region.length * max(0, wanted - said)
        false_alarm += region.length * max(0, said - wanted)
        confusion += region.length * (min(wanted, said) - right)
        total += region.length * wanted
    jaccard = _jaccard(regions, {reference: h for h, reference in pairs.items()})
    return ErrorComponents(missed=missed, false_alarm=false_alarm, confusion=confusion, total=total,
                      jaccard=sum(jaccard.values()), speakers=len(jaccard))  # fmt: skip


def _evaluated(
    reference: Sequence[Turn], hypothesis: Sequence[Turn], scored: list[Span] | None, collar: float, skip_overlap: bool
) -> list[Span]:
    turns = [*reference, *hypothesis]
    if scored is None:
        scored = [(min(t.start_s for t in turns), max(t.end_s for t in turns))] if turns else []
    holes: list[Span] = []
    if collar > 0:
        holes += [(t - collar / 2, t + collar / 2) for turn in reference for t in (turn.start_s, turn.end_s)]
    if skip_overlap:
        ordered = sorted(reference, key=lambda turn: turn.start_s)
        for i, one in enumerate(ordered):
            for other in ordered[i + 1 :]:
                if other.start_s >= one.end_s:
                    break
                holes.append((other.start_s, min(one.end_s, other.end_s)))
    return subtract_spans(scored, merged_spans(holes))


def _regions(reference: Sequence[Turn], hypothesis: Sequence[Turn], scored: list[Span]) -> list[_Region]:
    """Sweeps once over all starts and ends within what is scored."""
    changes = [(t, side, sign, turn.speaker)
               for side, turns in enumerate((reference, hypothesis)) for turn in turns
               for t, sign in ((turn.start_s, 1), (turn.end_s, -1))]  # fmt: skip
    changes += [(t, 2, sign, "") for span in scored for t, sign in ((span[0], 1), (span[1], -1))]
    changes.sort(key=lambda change: change[0])
    active: tuple[Counter[str], Counter[str], Counter[str]] = (Counter(), Counter(), Counter())
    found = []
    for (time, side, sign, speaker), following in pairwise([*changes, (changes[-1][0], 0, 0, "")] if changes else []):
        active[side][speaker] += sign
        length = following[0] - time
        if length > 0 and active[2][""] > 0:
            sides = tuple(active[0].elements()), tuple(active[1].elements())
            if any(sides):
                found.append(_Region(length=length, reference=sides[0], hypothesis=sides[1]))
    return found


def _partners(regions: Sequence[_Region]) -> dict[str, str]:
    """For each speaker of the hypothesis that has one, the speaker of the reference it stands for."""
    common: Counter[tuple[str, str]] = Counter()
    shared: dict[tuple[str, str], float] = {}
    for region in regions:
        common.clear()
        common.update((r, h) for r in region.reference for h in region.hypothesis)
        for pair, times in common.items():
            shared[pair] = shared.get(pair, 0.0) + times * region.length
    from scipy.optimize import linear_sum_assignment

    wanted, said = sorted({r for r, _ in shared}), sorted({h for _, h in shared})
    table = [[shared.get((r, h), 0.0) for h in said] for r in wanted]
    # The one-to-one assignment of greatest total time; speakers who share none stay without a partner.
    pairs = zip(*linear_sum_assignment(table, maximize=True), strict=True) if table else ()
    return {said[j]: wanted[i] for i, j in pairs if table[i][j] > 0}


def _jaccard(regions: Sequence[_Region], partner: Mapping[str, str]) -> dict[str, float]:
    """1 - |r ∩ h| / |r ∪ h| of every speaker of the reference; overlapping turns of one speaker count once."""
    both: dict[str, float] = {}
    either: dict[str, float] = {}
    for speaker in {r for region in regions for r in region.reference}:
        both[speaker] = either[speaker] = 0.0
        for region in regions:
            here, there = speaker in region.reference, partner.get(speaker, "") in region.hypothesis
            both[speaker] += region.length * (here and there)
            either[speaker] += region.length * (here or there)
    return {speaker: 1 - both[speaker] / either[speaker] for speaker in sorted(both)}


def _measured(files: Sequence[str], parts: Sequence[ErrorComponents]) -> SystemMeasurements:
    stats = torch.tensor(
        [[p.missed, p.false_alarm, p.confusion, p.total, p.jaccard, p.speakers] for p in parts], dtype=torch.double
    )

    def rates(sums: Tensor) -> Tensor:
        missed, false_alarm, confusion, total, jaccard, speakers = sums.unbind(1)
        shares = [missed / total, false_alarm / total, confusion / total]
        return torch.stack([(missed + false_alarm + confusion) / total, jaccard / speakers, *shares], dim=1)

    names = ("der", "jer", "missed_speech", "false_alarm_speech", "speaker_confusion")
    return SystemMeasurements(
        names=names, units=tuple(files), sizes=stats[:, [3, 5, 3, 3, 3]], of=from_sums(stats, rates)
    )


def _by_file(measured: SystemMeasurements, parts: Sequence[ErrorComponents]) -> DetailTable:
    rows: list[tuple[Cell, ...]] = []
    for i, part in enumerate(parts):
        if part.total:
            chosen = torch.arange(len(parts)) == i
            der, jer = metrics_with_intervals(measured, chosen=chosen)[:2]
            rows.append((measured.units[i], der, jer, round(part.missed, 3), round(part.false_alarm, 3),
                         round(part.confusion, 3), round(part.total, 3)))  # fmt: skip
    columns = (("file", ""), ("der", "DER"), ("jer", "JER"), ("missed_s", say("score.column_missed")),
               ("false_alarm_s", say("score.column_false_alarm")), ("confusion_s", say("score.column_confusion")),
               ("speech_s", say("score.column_speech")))  # fmt: skip
    return DetailTable(name="files", title=say("score.by_file"), columns=columns, rows=tuple(rows))


def _refuse_unknown(
    wanted: Mapping[str, list[Turn]], said: Mapping[str, list[Turn]], uem: Mapping[str, list[Span]] | None,
    hypothesis: Path, reference: Path,
) -> None:  # fmt: skip
    for name, turns in said.items():
        if name not in wanted and (uem is None or name not in uem):
            where = turns[0].where if turns else str(hypothesis)
            raise CapasError("score_unknown_id", where=where, received=name, reference=str(reference))
    if uem is not None and not any(wanted.get(name) for name in uem):
        raise CapasError("score_empty", where=reference)
    if not any(wanted.values()):
        raise CapasError("score_empty", where=reference)
