"""Folders in which every example has a file or text of its own as target.

Images with masks, image pairs, line images or audio with transcripts, lines of transcribed pages, audio with segments,
parallel texts, sentences in CoNLL columns.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.files import read_regular
from capas.core.i18n import say
from capas.core.spec import FieldKind, Medium
from capas.data.collections import AudioFiles, ExampleCollection, TextCollection
from capas.data.image.io import ImageFiles
from capas.data.image.masks import MaskFiles, find_class_map, read_class_map
from capas.data.naming import SplitName, normalise_name, split_from_name
from capas.data.problems import Problem, problems_from
from capas.data.sources.folder_listing import FolderListing
from capas.data.sources.page_lines import find_transcribed_pages
from capas.data.sources.segment_layouts import SegmentedAudio, find_segmented_audio
from capas.data.tabular.io import decode_text
from capas.data.text.conll import SUFFIXES as COLUMN_SUFFIXES
from capas.data.text.conll import looks_like_conll, read_conll

_SOURCE_FOLDERS: Final = frozenset(
    {
        "images",
        "image",
        "imgs",
        "pictures",
        "imagenes",
        "input",
        "inputs",
        "noisy",
        "low",
        "entrada",
        "entradas",
        "grey",
        "gray",
    }
)
_MASK_FOLDERS: Final = frozenset({"masks", "mask", "mascaras", "annotations", "anotaciones", "segmentation", "labels"})
_TARGET_FOLDERS: Final = frozenset({"target", "targets", "output", "outputs", "clean", "high", "objetivo", "objetivos",
                            "salida", "colour", "color"})  # fmt: skip
_TRANSCRIPTS: Final = (".gt.txt", ".txt")


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedExamples:
    """Inputs and targets side by side.

    Attributes:
        medium: Medium of the inputs.
        field: What the user calls the inputs.
        inputs: The inputs.
        targets: The targets, as many.
        target_kind: Kind of the targets.
        fixed_split: The user's own split of each example; None where there is none.
        classes: Class names.
        problems: What is wrong.
        evidence: Why this layout was chosen, in sentences.
        used: Files that are among the examples or named in ``problems``.
    """

    medium: Medium
    field: str
    inputs: ExampleCollection
    targets: ExampleCollection
    target_kind: FieldKind
    fixed_split: tuple[SplitName | None, ...]
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    evidence: tuple[str, ...]
    used: frozenset[Path]


def find_paired_examples(listing: FolderListing, max_pixels: int) -> PairedExamples | None:
    """Return the examples of the first of these layouts that the folder has; None where it has none."""
    return (
        _pages(listing, max_pixels)
        or _folders_in_pairs(listing, max_pixels)
        or _segments(listing)
        or _transcripts(listing, max_pixels)
        or _columns(listing)
        or _parallel(listing)
    )


def _pages(listing: FolderListing, max_pixels: int) -> PairedExamples | None:
    """Pages with ALTO or PAGE beside them: their lines."""
    pages = find_transcribed_pages(listing, max_pixels)
    if pages is None:
        return None
    lines = pages.lines
    sides = _sides(listing, [lines.pages.paths[one.page] for one in lines.lines])
    transcripts = TextCollection(pages.texts, [lines.name(i) for i in range(len(lines))])
    evidence = say("detect.page_lines", count=len(lines.pages), lines=len(lines))
    return PairedExamples(
        medium="image", field="image", inputs=lines, targets=transcripts,
        target_kind="transcript", fixed_split=sides, classes=(), problems=pages.problems,
        evidence=(evidence, *_split_evidence(sides)), used=pages.used,
    )  # fmt: skip


def _folders_in_pairs(listing: FolderListing, max_pixels: int) -> PairedExamples | None:
    """``images/`` + ``masks/`` or ``input/`` + ``target/``, with or without train/ and the like above or below."""
    given: dict[tuple[str, ...], Path] = {}
    masks: dict[tuple[str, ...], Path] = {}
    wanted: dict[tuple[str, ...], Path] = {}
    plain = cache(normalise_name)  # few folders have many files
    for path in listing.images:
        parts = listing.relative_parts(path)
        for place, part in enumerate(parts[:-1]):
            for names, held in ((_SOURCE_FOLDERS, given), (_MASK_FOLDERS, masks), (_TARGET_FOLDERS, wanted)):
                if plain(part) in names:
                    held[*parts[:place], *parts[place + 1 : -1], path.stem] = path
    for held, kind in ((masks, "mask"), (wanted, "image")):
        stems = _matched(given, held, kind)
        if 2 * len(stems) > max(len(given), len(held)) > 0:
            return _image_pairs(listing, given, held, stems, kind, max_pixels)
    return None


def _matched(
    source_paths: dict[tuple[str, ...], Path], target_paths: dict[tuple[str, ...], Path], kind: str
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Given key → target key; a mask may be called like its image with "_mask" or the like behind."""
    exact = {key: key for key in source_paths if key in target_paths}
    if kind == "mask" and len(exact) < len(source_paths):
        bare = {(*key[:-1], re.sub(r"[-_](mask|gt|label|labels|seg|L)$", "", key[-1])): key for key in target_paths}
        exact |= {key: bare[key] for key in source_paths if key not in exact and key in bare}
    return exact


def _image_pairs(
    listing: FolderListing, source_paths: dict[tuple[str, ...], Path], target_paths: dict[tuple[str, ...], Path],
    stems: dict[tuple[str, ...], tuple[str, ...]], kind: str, max_pixels: int,
) -> PairedExamples:  # fmt: skip
    firsts = [source_paths[key] for key in stems]
    seconds = [target_paths[other] for other in stems.values()]
    problems = (
        *problems_from(
            "without_target", [listing.relative_name(path) for key, path in source_paths.items() if key not in stems]
        ),
        *problems_from(
            "without_input",
            [listing.relative_name(p) for key, p in target_paths.items() if key not in set(stems.values())],
        ),
    )
    inputs = ImageFiles(firsts, listing.root, max_pixels)
    targets: ExampleCollection
    if kind == "mask":
        map_file = find_class_map(listing.root, seconds)
        class_map = read_class_map(map_file, seconds)
        targets, classes = MaskFiles(seconds, listing.root, class_map), class_map.classes
        evidence = say("detect.masks", count=len(firsts), classes=len(classes), names=", ".join(classes[:6]))
        grey = [listing.relative_name(path) for path in class_map.smoothed]
        problems = (*problems, *problems_from("smoothed_mask", grey, severity="note"))
    else:
        map_file = None
        targets, classes = ImageFiles(seconds, listing.root, max_pixels), ()
        evidence = say("detect.pairs", count=len(firsts))
    return PairedExamples(
        medium="image", field="image", inputs=inputs, targets=targets,
        target_kind="mask" if kind == "mask" else "image", fixed_split=_sides(listing, firsts), classes=classes,
        problems=problems, evidence=(evidence, *_split_evidence(_sides(listing, firsts))),
        used=frozenset({*source_paths.values(), *target_paths.values(), *([map_file] if map_file else [])}),
    )  # fmt: skip


def _sides(listing: FolderListing, paths: Sequence[Path]) -> tuple[SplitName | None, ...]:
    """The split that a folder above each file names."""
    return tuple(
        next((side for part in path.relative_to(listing.root).parts[:-1] if (side := split_from_name(part))), None)
        for path in paths
    )


def _split_evidence(sides: Sequence[SplitName | None]) -> tuple[str, ...]:
    names: tuple[SplitName, ...] = ("train", "validation", "test")
    counts = [say("detect.split_count", split=say(f"splits.{n}"), count=sides.count(n)) for n in names if n in sides]
    return (say("detect.split_folders", splits=", ".join(counts)),) if counts else ()


def _segments(listing: FolderListing) -> PairedExamples | None:
    """Sounds with Audacity's labels, CSV, RTTM or TextGrid beside them, or with one table of segments."""
    marked = find_segmented_audio(listing)
    if marked is None:
        return None
    return segments_as_pairs(marked, listing.root, marked.split_names or _sides(listing, marked.audio_files))


def segments_as_pairs(marked: SegmentedAudio, root: Path, sides: tuple[SplitName | None, ...]) -> PairedExamples:
    """Return audio with its segments as pairs. Raises CapasError ``no_segments`` where no recording has any."""
    classes, total = marked.segments.classes, sum(map(len, marked.segments.segments))
    if not total:
        raise CapasError("no_segments", where=root, received=len(marked.audio_files))
    evidence = say("detect.segments", count=len(marked.audio_files), segments=total, names=", ".join(classes[1:7]))
    return PairedExamples(
        medium="audio", field="sound", inputs=AudioFiles(marked.audio_files, root), targets=marked.segments,
        target_kind="segments", fixed_split=sides, classes=classes, problems=marked.problems,
        evidence=(evidence, say("detect.no_segment"), *_split_evidence(sides)), used=marked.used,
    )  # fmt: skip


def _transcripts(listing: FolderListing, max_pixels: int) -> PairedExamples | None:
    """Line images with ``.gt.txt`` (or ``.txt``), sounds with ``.txt``: the same name, another ending."""
    files = listing.images if len(listing.images) >= len(listing.audio_files) else listing.audio_files
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
    sounds = files is listing.audio_files
    transcripts = TextCollection.from_files([text for _, text in pairs], listing.root)
    missing = [listing.relative_name(path) for path in files if path not in set(firsts)]
    key = "detect.sound_transcripts" if sounds else "detect.line_transcripts"
    return PairedExamples(
        medium="audio" if sounds else "image", field="sound" if sounds else "image",
        inputs=AudioFiles(firsts, listing.root) if sounds else ImageFiles(firsts, listing.root, max_pixels),
        targets=transcripts.single_line(),
        target_kind="transcript", fixed_split=_sides(listing, firsts), classes=(),
        problems=(
            *problems_from("without_target", missing),
            *problems_from("legacy_encoding", transcripts.legacy, severity="note"),
        ),
        evidence=(say(key, count=len(pairs)),),
        used=frozenset({*files, *(text for _, text in pairs)}),
    )  # fmt: skip


def _columns(listing: FolderListing) -> PairedExamples | None:
    """Files of words in columns; their names may say which split they are."""
    candidates = [p for p in (*listing.others, *listing.texts) if p.suffix.casefold() in COLUMN_SUFFIXES | {".txt"}]
    paths = [path for path in candidates if looks_like_conll(path)]
    if not paths:
        return None
    legacy: list[Path] = []
    words, labels, counts = read_conll(paths, listing.root, legacy)
    sides = _column_sides(listing, paths)
    classes = tuple(sorted({label for row in labels.sentences for label in row}))
    evidence = say("detect.columns", files=len(paths), count=len(words), labels=len(classes))
    fixed = tuple(side for side, count in zip(sides, counts, strict=True) for _ in range(count))
    return PairedExamples(
        medium="tokens", field="words", inputs=words, targets=labels, target_kind="tokens", fixed_split=fixed,
        classes=classes, problems=_legacy_problems(listing, legacy), evidence=(evidence, *_split_evidence(fixed)),
        used=frozenset(paths),
    )  # fmt: skip


def _column_sides(listing: FolderListing, paths: Sequence[Path]) -> list[SplitName | None]:
    """By the words in the files' names, else by a folder above; of CoNLL's two tests, testa is for validation and testb
    the test."""
    named: dict[str, SplitName] = {"testa": "validation", "testb": "test", "valid": "validation"}
    sides: list[SplitName | None] = []
    for path, above in zip(paths, _sides(listing, paths), strict=True):
        words = re.split(r"[^a-z]+", normalise_name(path.name))
        sides.append(next((side for word in words if (side := named.get(word) or split_from_name(word))), above))
    return sides


def _parallel(listing: FolderListing) -> PairedExamples | None:
    """``train.en`` + ``train.es``: files that differ only in an ending of two or three letters, line by line the same
    texts in two languages."""
    if listing.images or listing.audio_files:
        return None
    endings: dict[str, dict[str, Path]] = {}
    for path in (*listing.others, *listing.texts):
        name = path.name.removesuffix(".txt")
        stem, dot, language = name.rpartition(".")
        if dot and re.fullmatch(r"[a-z]{2,3}", language) and stem:
            endings.setdefault(language, {})[listing.relative_name(path.with_name(stem))] = path
    common = sorted(endings, key=lambda language: -len(endings[language]))
    if len(common) < 2 or len(endings[common[0]]) != len(endings[common[1]]):
        return None
    first, second = _direction(common[:2])
    stems = sorted(set(endings[first]) & set(endings[second]))
    if not stems:
        return None
    legacy: list[Path] = []
    texts, sides = _aligned([(endings[first][stem], endings[second][stem]) for stem in stems], stems, legacy)
    names = [name for name, _, _ in texts]
    evidence = say("detect.parallel", count=len(names), source=first, target=second)
    return PairedExamples(
        medium="text",
        field=first,
        inputs=TextCollection([a for _, a, _ in texts], names),
        targets=TextCollection([b for _, _, b in texts], names),
        target_kind="text",
        fixed_split=sides,
        classes=(first, second),
        problems=_legacy_problems(listing, legacy),
        evidence=(evidence, *_split_evidence(sides)),
        used=frozenset(endings[language][stem] for language in (first, second) for stem in stems),
    )


def _legacy_problems(listing: FolderListing, legacy: Sequence[Path]) -> tuple[Problem, ...]:
    return problems_from("legacy_encoding", [listing.relative_name(path) for path in legacy], severity="note")


def _lines(path: Path, legacy: list[Path]) -> list[str]:
    """Not splitlines: texts may hold U+2028 and its like, which end no line of a corpus."""
    lines = decode_text(path, read_regular(path), legacy).split("\n")
    return lines if lines[-1] else lines[:-1]


def _direction(languages: Sequence[str]) -> tuple[str, str]:
    """From English where that is one of the two, else in the order of the alphabet."""
    first, second = sorted(languages)
    return (second, first) if second == "en" else (first, second)


def _aligned(
    pairs: Sequence[tuple[Path, Path]], stems: Sequence[str], legacy: list[Path]
) -> tuple[list[tuple[str, str, str]], tuple[SplitName | None, ...]]:
    """Name, source and translation of every line. Raises CapasError ``lines_differ``."""
    rows: list[tuple[str, str, str]] = []
    sides: list[SplitName | None] = []
    for (one, other), stem in zip(pairs, stems, strict=True):
        first, second = (_lines(path, legacy) for path in (one, other))
        if len(first) != len(second):
            raise CapasError("lines_differ", where=other, received=len(second), expected_lines=len(first), first=one)
        words = re.split(r"[^a-z]+", normalise_name(stem))
        side = next((side for word in words if (side := split_from_name(word))), None)
        rows += [(f"{stem}:{i}", a.strip(), b.strip()) for i, (a, b) in enumerate(zip(first, second, strict=True), 1)]
        sides += [side] * len(first)
    return rows, tuple(sides)
