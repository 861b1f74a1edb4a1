"""Transcript files, paired with their references utterance by utterance.

- STM (NIST): ``file channel speaker start end [<labels>] words``; ``;;`` begins a comment. An utterance whose words are
  ``ignore_time_segment_in_scoring`` is not scored, nor is what the hypothesis says in it.
- CTM (NIST): ``file channel start duration word [confidence]``; a word belongs to the utterance of an STM reference
  that holds its midpoint.
- Texts: a line per utterance, in the same order; or with ids, ``id TAB words`` or ``id words`` (Kaldi's ``text``).
- Folders of ``.txt`` files of the same names: a file is an utterance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.evaluation.table_files import parse_number, parse_span, read_text_file, read_text_lines, shortened

IGNORED: Final = "ignore_time_segment_in_scoring"
TIMED: Final = (".stm", ".ctm")


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """One utterance of a reference; ``text`` as it stands there (with alternatives where ``allows``)."""

    name: str
    where: str
    text: str
    file: str = ""
    speaker: str = ""
    channel: str = ""
    start_s: float = 0.0
    end_s: float = 0.0
    allows: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedTranscripts:
    """The scored utterances, the hypothesis for each, and notes."""

    references: tuple[Utterance, ...]
    hypotheses: tuple[str, ...]
    notes: tuple[str, ...]


def read_references(path: Path, ids: bool) -> tuple[Utterance, ...]:
    """Return the utterances of a reference, unscored ones included."""
    if path.is_dir():
        return tuple(
            Utterance(name=name, where=str(path / name), text=" ".join(text.split("\n")).strip(), file=name)
            for name, text in _folder(path).items()
        )
    if path.suffix.casefold() == ".stm":
        return read_stm(path)
    if path.suffix.casefold() == ".ctm":
        raise CapasError("score_ctm_reference", where=path)
    if _has_ids(path, ids):
        return tuple(Utterance(name=name, where=where, text=text) for name, (where, text) in _by_id(path).items())
    return tuple(Utterance(name=str(i), where=f"{path}:{i}", text=text) for i, text in enumerate(_plain_lines(path), 1))


def read_stm(path: Path) -> tuple[Utterance, ...]:
    """Read an STM file. Raises CapasError ``score_fields``, ``score_number`` or ``score_backwards`` with the line."""
    found = []
    for line in read_text_lines(path):
        if len(line.words) < 5:
            raise CapasError("score_fields", where=line.where, received=len(line.words),
                             wanted="file channel speaker start end [<labels>] words")  # fmt: skip
        file, channel, speaker, start, end, *words = line.words
        start_s, end_s = parse_span(start, end, line.where)
        if words and words[0].startswith("<") and words[0].endswith(">"):
            words = words[1:]
        name = f"{file} {channel} {start}–{end} {speaker}"
        found.append(Utterance(name=name, where=line.where, text=" ".join(words), file=file, speaker=speaker,
                               channel=channel, start_s=start_s, end_s=end_s, allows=True))  # fmt: skip
    if not found:
        raise CapasError("score_empty", where=path)
    return tuple(found)


def pair_transcripts(reference: Path, hypothesis: Path, ids: bool) -> PairedTranscripts:
    """Pair reference and hypothesis. Raises CapasError naming file and line of what does not fit."""
    utterances = read_references(reference, ids)
    if not utterances:
        raise CapasError("score_empty", where=reference)
    if reference.is_dir() != hypothesis.is_dir() and hypothesis.exists():
        raise CapasError("score_folder", where=hypothesis, received=str(reference))
    if reference.is_dir():
        said = {name: (str(hypothesis / name), " ".join(text.split("\n")))
                for name, text in _folder(hypothesis).items()}  # fmt: skip
        return _by_name(utterances, said, str(reference))
    timed = hypothesis.suffix.casefold() in TIMED
    if timed != (reference.suffix.casefold() == ".stm"):
        raise CapasError("score_forms", where=hypothesis, received=str(reference))
    if timed:
        return _by_time(utterances, hypothesis)
    if _has_ids(reference, ids):
        return _by_name(utterances, _by_id(hypothesis), str(reference))
    lines = _plain_lines(hypothesis)
    if len(lines) != len(utterances):
        raise CapasError("score_line_count", where=hypothesis, received=len(lines), wanted=len(utterances),
                         reference=str(reference))  # fmt: skip
    return PairedTranscripts(references=utterances, hypotheses=tuple(lines), notes=())


def _by_name(utterances: Sequence[Utterance], said: Mapping[str, tuple[str, str]], reference: str) -> PairedTranscripts:
    known = {one.name for one in utterances}
    for name, (where, _) in said.items():
        if name not in known:
            raise CapasError("score_unknown_id", where=where, received=name, reference=reference)
    absent = [one.name for one in utterances if one.name not in said]
    notes = (say("score.note_absent_deleted", n=len(absent), names=shortened(absent)),) if absent else ()
    texts = tuple(said[one.name][1] if one.name in said else "" for one in utterances)
    return PairedTranscripts(references=tuple(utterances), hypotheses=texts, notes=notes)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Said:
    where: str
    file: str
    channel: str
    middle_s: float
    text: str


def _by_time(utterances: Sequence[Utterance], hypothesis: Path) -> PairedTranscripts:
    places: dict[tuple[str, str], list[int]] = {}
    for i, one in enumerate(utterances):
        places.setdefault((one.file, one.channel), []).append(i)
    texts: list[list[str]] = [[] for _ in utterances]
    outside = 0
    for word in _timed_words(hypothesis):
        own = places.get((word.file, word.channel))
        if own is None:
            received = f"{word.file} {word.channel}"
            known = shortened(sorted(" ".join(place) for place in places), 6)
            raise CapasError("score_unknown_channel", where=word.where, received=received, known=known)
        holding = [i for i in own if utterances[i].start_s <= word.middle_s < utterances[i].end_s]
        if holding:
            centre = {i: abs(utterances[i].start_s + utterances[i].end_s - 2 * word.middle_s) for i in holding}
            texts[min(holding, key=centre.__getitem__)].append(word.text)
        else:
            outside += 1
    kept = [i for i, one in enumerate(utterances) if one.text.casefold() != IGNORED]
    silent = [utterances[i].name for i in kept if not texts[i] and utterances[i].text]
    notes = []
    if outside:
        notes.append(say("score.note_outside", n=outside))
    if len(kept) < len(utterances):
        notes.append(say("score.note_ignored", n=len(utterances) - len(kept)))
    if silent:
        notes.append(say("score.note_absent_deleted", n=len(silent), names=shortened(silent)))
    if not kept:
        raise CapasError("score_empty", where=hypothesis)
    return PairedTranscripts(
        references=tuple(utterances[i] for i in kept),
        hypotheses=tuple(" ".join(texts[i]) for i in kept),
        notes=tuple(notes),
    )


def _timed_words(path: Path) -> list[_Said]:
    """The words of a CTM, or the utterances of an STM, in order of time."""
    if path.suffix.casefold() == ".stm":
        found = [_Said(where=one.where, file=one.file, channel=one.channel, middle_s=(one.start_s + one.end_s) / 2,
                       text=one.text) for one in read_stm(path)]  # fmt: skip
        return sorted(found, key=lambda one: one.middle_s)
    found = []
    for line in read_text_lines(path):
        if not 5 <= len(line.words) <= 6:
            wanted = "file channel start duration word [confidence]"
            raise CapasError("score_fields", where=line.where, received=len(line.words), wanted=wanted)
        file, channel, start, duration, word = line.words[:5]
        start_s, length_s = parse_number(start, line.where), parse_number(duration, line.where)
        if length_s < 0 or start_s < 0:
            raise CapasError("score_backwards", where=line.where, received=f"{start} + {duration}")
        if word.startswith("<ALT"):
            raise CapasError("score_ctm_alternatives", where=line.where, received=word)
        found.append(_Said(where=line.where, file=file, channel=channel, middle_s=start_s + length_s / 2, text=word))
    return sorted(found, key=lambda one: one.middle_s)


def _folder(path: Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*.txt") if file.is_file())
    if not files:
        raise CapasError("score_empty", where=path)
    return {file.relative_to(path).as_posix(): read_text_file(file) for file in files}


def _has_ids(path: Path, ids: bool) -> bool:
    # Kaldi calls its file of "id words" plainly text.
    if ids or path.name == "text":
        return True
    lines = [line for line in _plain_lines(path) if line.strip()]
    return bool(lines) and all("\t" in line for line in lines)


def _by_id(path: Path) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for i, line in enumerate(_plain_lines(path), 1):
        if not line.strip():
            continue
        name, _, text = line.partition("\t") if "\t" in line else line.strip().partition(" ")
        if name.strip() in found:
            raise CapasError("score_twice", where=f"{path}:{i}", received=name.strip(),
                             first=found[name.strip()][0])  # fmt: skip
        found[name.strip()] = (f"{path}:{i}", text.strip())
    return found


def _plain_lines(path: Path) -> list[str]:
    """The lines; an empty one is an utterance without words, but for what follows the last line end."""
    lines = [line.rstrip("\r") for line in read_text_file(path).split("\n")]
    return lines[:-1] if lines and not lines[-1] else lines
