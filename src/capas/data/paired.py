"""Folders in which every example has a file or text of its own as target: pictures with masks, pictures in pairs, line
images or sounds with their transcripts, lines of transcribed pages, sounds with their segments, texts in two languages,
sentences in columns.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.spec import FieldKind, Medium
from capas.data.folders import Listing, SplitName, plain, split_called
from capas.data.inputs import Inputs, Sounds, Texts
from capas.data.masks import Masks, class_map_of, find_map
from capas.data.page_lines import find_pages
from capas.data.pictures import FilePictures
from capas.data.problems import Problem, found
from capas.data.segment_layouts import Marked, find_marked
from capas.data.sentences import SUFFIXES as COLUMN_SUFFIXES
from capas.data.sentences import looks_like_columns, read_sentences
from capas.data.tables import decode_text

_GIVEN: Final = frozenset({"images", "image", "imgs", "pictures", "imagenes", "input", "inputs", "noisy", "low",
                           "entrada", "entradas", "grey", "gray"})  # fmt: skip
_MASKS: Final = frozenset({"masks", "mask", "mascaras", "annotations", "anotaciones", "segmentation", "labels"})
_WANTED: Final = frozenset({"target", "targets", "output", "outputs", "clean", "high", "objetivo", "objetivos",
                            "salida", "colour", "color"})  # fmt: skip
_TRANSCRIPTS: Final = (".gt.txt", ".txt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """What was found: examples and targets side by side. ``used`` are the files that are among them or named in
    ``problems``."""

    medium: Medium
    field: str
    inputs: Inputs
    targets: Inputs
    target_kind: FieldKind
    fixed_split: tuple[SplitName | None, ...]
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    evidence: tuple[str, ...]
    used: frozenset[Path]


def find_paired(listing: Listing, max_pixels: int) -> Paired | None:
    """The first of these layouts that the folder has, or None."""
    return (
        _pages(listing, max_pixels)
        or _folders_in_pairs(listing, max_pixels)
        or _segments(listing)
        or _transcripts(listing, max_pixels)
        or _columns(listing)
        or _parallel(listing)
    )


def _pages(listing: Listing, max_pixels: int) -> Paired | None:
    """Pages with ALTO or PAGE beside them: their lines."""
    pages = find_pages(listing, max_pixels)
    if pages is None:
        return None
    lines = pages.lines
    sides = _sides(listing, [lines.pages.paths[one.page] for one in lines.lines])
    transcripts = Texts(pages.texts, [lines.name(i) for i in range(len(lines))])
    evidence = say("detect.page_lines", count=len(lines.pages), lines=len(lines))
    return Paired(
        medium="image", field="image", inputs=lines, targets=transcripts,
        target_kind="transcript", fixed_split=sides, classes=(), problems=pages.problems,
        evidence=(evidence, *_split_evidence(sides)), used=pages.used,
    )  # fmt: skip


def _folders_in_pairs(listing: Listing, max_pixels: int) -> Paired | None:
    """``images/`` + ``masks/`` or ``input/`` + ``target/``, with or without train/ and the like above or below."""
    given: dict[tuple[str, ...], Path] = {}
    masks: dict[tuple[str, ...], Path] = {}
    wanted: dict[tuple[str, ...], Path] = {}
    for path in listing.pictures:
        parts = path.relative_to(listing.root).parts
        for place, part in enumerate(parts[:-1]):
            key = (*parts[:place], *parts[place + 1 : -1], path.stem)
            for names, held in ((_GIVEN, given), (_MASKS, masks), (_WANTED, wanted)):
                if plain(part) in names:
                    held[key] = path
    for held, kind in ((masks, "mask"), (wanted, "image")):
        stems = _matched(given, held, kind)
        if 2 * len(stems) > max(len(given), len(held)) > 0:
            return _pictures_in_pairs(listing, given, held, stems, kind, max_pixels)
    return None


def _matched(
    given: dict[tuple[str, ...], Path], held: dict[tuple[str, ...], Path], kind: str
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Given key → target key; a mask may be called like its picture with "_mask" or the like behind."""
    exact = {key: key for key in given if key in held}
    if kind == "mask" and len(exact) < len(given):
        bare = {(*key[:-1], re.sub(r"[-_](mask|gt|label|labels|seg|L)$", "", key[-1])): key for key in held}
        exact |= {key: bare[key] for key in given if key not in exact and key in bare}
    return exact


def _pictures_in_pairs(
    listing: Listing, given: dict[tuple[str, ...], Path], held: dict[tuple[str, ...], Path],
    stems: dict[tuple[str, ...], tuple[str, ...]], kind: str, max_pixels: int,
) -> Paired:  # fmt: skip
    firsts = [given[key] for key in stems]
    seconds = [held[other] for other in stems.values()]
    problems = (
        *found("without_target", [listing.shown(path) for key, path in given.items() if key not in stems]),
        *found("without_input", [listing.shown(p) for key, p in held.items() if key not in set(stems.values())]),
    )
    inputs = FilePictures(firsts, listing.root, max_pixels)
    targets: Inputs
    if kind == "mask":
        map_file = find_map(listing.root, seconds)
        class_map = class_map_of(map_file, seconds)
        targets, classes = Masks(seconds, listing.root, class_map), class_map.classes
        evidence = say("detect.masks", count=len(firsts), classes=len(classes), names=", ".join(classes[:6]))
    else:
        map_file = None
        targets, classes = FilePictures(seconds, listing.root, max_pixels), ()
        evidence = say("detect.pairs", count=len(firsts))
    return Paired(
        medium="image", field="image", inputs=inputs, targets=targets,
        target_kind="mask" if kind == "mask" else "image", fixed_split=_sides(listing, firsts), classes=classes,
        problems=problems, evidence=(evidence, *_split_evidence(_sides(listing, firsts))),
        used=frozenset({*given.values(), *held.values(), *([map_file] if map_file else [])}),
    )  # fmt: skip


def _sides(listing: Listing, paths: Sequence[Path]) -> tuple[SplitName | None, ...]:
    """The split that a folder above each file names."""
    return tuple(
        next((side for part in path.relative_to(listing.root).parts[:-1] if (side := split_called(part))), None)
        for path in paths
    )


def _split_evidence(sides: Sequence[SplitName | None]) -> tuple[str, ...]:
    names: tuple[SplitName, ...] = ("train", "validation", "test")
    counts = [say("detect.split_count", split=say(f"splits.{n}"), count=sides.count(n)) for n in names if n in sides]
    return (say("detect.split_folders", splits=", ".join(counts)),) if counts else ()


def _segments(listing: Listing) -> Paired | None:
    """Sounds with Audacity's labels, CSV, RTTM or TextGrid beside them, or with one table of segments."""
    marked = find_marked(listing)
    if marked is None:
        return None
    return paired_segments(marked, listing.root, marked.sides or _sides(listing, marked.sounds))


def paired_segments(marked: Marked, root: Path, sides: tuple[SplitName | None, ...]) -> Paired:
    """Sounds with their segments as pairs. Raises CapasError ``no_segments`` where nothing is marked in any."""
    classes, total = marked.segments.classes, sum(map(len, marked.segments.segments))
    if not total:
        raise CapasError("no_segments", where=root, received=len(marked.sounds))
    evidence = say("detect.segments", count=len(marked.sounds), segments=total, names=", ".join(classes[1:7]))
    return Paired(
        medium="audio", field="sound", inputs=Sounds(marked.sounds, root), targets=marked.segments,
        target_kind="segments", fixed_split=sides, classes=classes, problems=marked.problems,
        evidence=(evidence, say("detect.no_segment"), *_split_evidence(sides)), used=marked.used,
    )  # fmt: skip


def _transcripts(listing: Listing, max_pixels: int) -> Paired | None:
    """Line images with ``.gt.txt`` (or ``.txt``), sounds with ``.txt``: the same name, another ending."""
    files = listing.pictures if len(listing.pictures) >= len(listing.sounds) else listing.sounds
    texts = {str(path): path for path in listing.texts}
    pairs = []
    for path in files:
        stem = str(path.with_suffix(""))
        bare = stem.removesuffix(".bin").removesuffix(".nrm")  # as OCR tools call the line images they clean
        match = next((texts[base + end] for base in (stem, bare) for end in _TRANSCRIPTS if base + end in texts), None)
        if match is not None:
            pairs.append((path, match))
    if 2 * len(pairs) <= len(files):
        return None
    firsts = [path for path, _ in pairs]
    sounds = files is listing.sounds
    transcripts = Texts.of_files([text for _, text in pairs], listing.root)
    missing = [listing.shown(path) for path in files if path not in set(firsts)]
    key = "detect.sound_transcripts" if sounds else "detect.line_transcripts"
    return Paired(
        medium="audio" if sounds else "image", field="sound" if sounds else "image",
        inputs=Sounds(firsts, listing.root) if sounds else FilePictures(firsts, listing.root, max_pixels),
        targets=transcripts.on_one_line(),
        target_kind="transcript", fixed_split=_sides(listing, firsts), classes=(),
        problems=found("without_target", missing), evidence=(say(key, count=len(pairs)),),
        used=frozenset({*files, *(text for _, text in pairs)}),
    )  # fmt: skip


def _columns(listing: Listing) -> Paired | None:
    """Files of words in columns; their names may say which split they are."""
    candidates = [p for p in (*listing.others, *listing.texts) if p.suffix.casefold() in COLUMN_SUFFIXES | {".txt"}]
    paths = [path for path in candidates if looks_like_columns(path)]
    if not paths:
        return None
    words, labels, counts = read_sentences(paths, listing.root)
    sides = _column_sides(listing, paths)
    classes = tuple(sorted({label for row in labels.sentences for label in row}))
    evidence = say("detect.columns", files=len(paths), count=len(words), labels=len(classes))
    fixed = tuple(side for side, count in zip(sides, counts, strict=True) for _ in range(count))
    return Paired(
        medium="tokens", field="words", inputs=words, targets=labels, target_kind="tokens", fixed_split=fixed,
        classes=classes, problems=(), evidence=(evidence, *_split_evidence(fixed)), used=frozenset(paths),
    )  # fmt: skip


def _column_sides(listing: Listing, paths: Sequence[Path]) -> list[SplitName | None]:
    """By the words in the files' names, else by a folder above; of CoNLL's two tests, testa is for validation and testb
    the test."""
    named: dict[str, SplitName] = {"testa": "validation", "testb": "test", "valid": "validation"}
    sides: list[SplitName | None] = []
    for path, above in zip(paths, _sides(listing, paths), strict=True):
        words = re.split(r"[^a-z]+", plain(path.name))
        sides.append(next((side for word in words if (side := named.get(word) or split_called(word))), above))
    return sides


def _parallel(listing: Listing) -> Paired | None:
    """``train.en`` + ``train.es``: files that differ only in an ending of two or three letters, line by line the same
    texts in two languages."""
    if listing.pictures or listing.sounds:
        return None
    endings: dict[str, dict[str, Path]] = {}
    for path in (*listing.others, *listing.texts):
        name = path.name.removesuffix(".txt")
        stem, dot, language = name.rpartition(".")
        if dot and re.fullmatch(r"[a-z]{2,3}", language) and stem:
            endings.setdefault(language, {})[listing.shown(path.with_name(stem))] = path
    common = sorted(endings, key=lambda language: -len(endings[language]))
    if len(common) < 2 or len(endings[common[0]]) != len(endings[common[1]]):
        return None
    first, second = _direction(common[:2])
    stems = sorted(set(endings[first]) & set(endings[second]))
    if not stems:
        return None
    texts, sides = _aligned([(endings[first][stem], endings[second][stem]) for stem in stems], stems)
    names = [name for name, _, _ in texts]
    evidence = say("detect.parallel", count=len(names), source=first, target=second)
    return Paired(
        medium="text", field=first, inputs=Texts([a for _, a, _ in texts], names),
        targets=Texts([b for _, _, b in texts], names), target_kind="text", fixed_split=sides, classes=(first, second),
        problems=(), evidence=(evidence, *_split_evidence(sides)),
        used=frozenset(endings[language][stem] for language in (first, second) for stem in stems),
    )  # fmt: skip


def _lines(path: Path) -> list[str]:
    """Not splitlines: texts may hold U+2028 and its like, which end no line of a corpus."""
    lines = decode_text(path, path.read_bytes()).split("\n")
    return lines if lines[-1] else lines[:-1]


def _direction(languages: Sequence[str]) -> tuple[str, str]:
    """From English where that is one of the two, else in the order of the alphabet."""
    first, second = sorted(languages)
    return (second, first) if second == "en" else (first, second)


def _aligned(
    pairs: Sequence[tuple[Path, Path]], stems: Sequence[str]
) -> tuple[list[tuple[str, str, str]], tuple[SplitName | None, ...]]:
    """Name, source and translation of every line. Raises CapasError ``lines_differ``."""
    rows: list[tuple[str, str, str]] = []
    sides: list[SplitName | None] = []
    for (one, other), stem in zip(pairs, stems, strict=True):
        first, second = (_lines(path) for path in (one, other))
        if len(first) != len(second):
            raise CapasError("lines_differ", where=other, received=len(second), expected_lines=len(first), first=one)
        words = re.split(r"[^a-z]+", plain(stem))
        side = next((side for word in words if (side := split_called(word))), None)
        rows += [(f"{stem}:{i}", a.strip(), b.strip()) for i, (a, b) in enumerate(zip(first, second, strict=True), 1)]
        sides += [side] * len(first)
    return rows, tuple(sides)
