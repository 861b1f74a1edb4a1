"""Problems of a scanned dataset: corrupt images, duplicates, classes and splits, with counts and examples."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.data.collections import LazySequence
from capas.data.image.io import ImageInfo
from capas.data.inspect.duplicates import MAX_NEAR_DUPLICATE_IMAGES, exact_duplicates
from capas.data.inspect.image_scan import ImageScan
from capas.data.inspect.near_duplicates import NearDuplicates, find_near_duplicates
from capas.data.naming import SplitName, natural_key
from capas.data.problems import Problem, Severity, escape_unprintable, make_problem, problems_from

MIN_CLASS_SIZE: Final = 3
ENOUGH_IDENTITIES: Final = 30  # of fewer a network learns which ones they are, not what makes two the same
MIN_IDENTITIES_TO_LEARN: Final = 4  # two to learn from and two to test on, with two examples or more of each
_FORMATS_WITH_FRAMES: Final = ("GIF", "PNG", "WEBP")
_GREY: Final = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
_ALPHA: Final = ("LA", "La", "PA", "RGBA", "RGBa")


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicates:
    """Duplicates among the usable examples.

    Attributes:
        exact: Groups of indices with equal contents.
        near: Near duplicates.
        near_searched: Whether near duplicates were searched for.
    """

    exact: tuple[tuple[int, ...], ...]
    near: NearDuplicates
    near_searched: bool


def find_duplicates(
    hashes: Sequence[str], thumbnails: NDArray[np.uint8] | None, splits: Sequence[SplitName | None] | None = None
) -> Duplicates:
    """Return exact duplicates by hash, and near ones among different contents, unless there are more than 60,000.

    Args:
        hashes: Content hash of each example.
        thumbnails: uint8 (N, 16, 16); None where near duplicates are not looked for.
        splits: The part of the dataset that each example is in; of each part the first near duplicate is named.
    """
    exact, places = exact_duplicates(hashes), dict[str, int]()
    if thumbnails is None:
        return Duplicates(exact=exact, near=NearDuplicates.none(len(hashes)), near_searched=True)
    for place, value in enumerate(hashes):
        places.setdefault(value, place)
    first = np.fromiter(places.values(), dtype=np.int64, count=len(places))
    if len(first) > MAX_NEAR_DUPLICATE_IMAGES:
        return Duplicates(exact=exact, near=NearDuplicates.none(len(hashes)), near_searched=False)
    parts = None if splits is None else [splits[place] for place in first.tolist()]
    near = find_near_duplicates(thumbnails[first] if len(first) < len(hashes) else thumbnails, parts)
    return Duplicates(exact=exact, near=near.placed(first, len(hashes)), near_searched=True)


def image_problems(scans: Sequence[ImageScan | CapasError], names: Callable[[int], str]) -> tuple[Problem, ...]:
    """Return corrupt and gigantic files, wrong extensions, animations, rotations, mixed sizes and modes."""
    huge = [names(i) for i, s in enumerate(scans) if isinstance(s, CapasError) and s.key == "picture_too_large"]
    foreign = [names(i) for i, s in enumerate(scans) if isinstance(s, CapasError) and s.key == "picture_foreign"]
    damaged = [
        names(i) for i, s in enumerate(scans) if isinstance(s, CapasError) and s.key == "picture_foreign_damaged"
    ]
    heic = [names(i) for i, s in enumerate(scans) if isinstance(s, CapasError) and s.key == "extra_missing"]
    told = ("picture_too_large", "picture_foreign", "picture_foreign_damaged", "extra_missing")
    corrupt = [names(i) for i, s in enumerate(scans) if isinstance(s, CapasError) and s.key not in told]
    seen = [(i, s.info) for i, s in enumerate(scans) if isinstance(s, ImageScan)]
    return (
        *problems_from("corrupt", corrupt),
        *problems_from("foreign_picture", foreign),
        *problems_from("foreign_damaged", damaged),
        *problems_from("heic_missing", heic),
        *problems_from("gigantic", huge),
        *problems_from("scaled", [_scaling(names(i), info) for i, info in seen if info.scaled_from], severity="note"),
        *problems_from("wrong_extension", [names(i) for i, info in seen if info.wrong_extension], severity="note"),
        *problems_from(
            "animated",
            [names(i) for i, info in seen if info.frames > 1 and info.format in _FORMATS_WITH_FRAMES],
            severity="note",
        ),
        *problems_from(
            "many_pages",
            [names(i) for i, info in seen if info.frames > 1 and info.format not in _FORMATS_WITH_FRAMES],
            severity="note",
        ),
        *problems_from("rotated", [names(i) for i, info in seen if info.rotated], severity="note"),
        *problems_from("transparency", [names(i) for i, info in seen if info.mode in _ALPHA], severity="note"),
        *_mixed_sizes([(info.width, info.height) for _, info in seen]),
        *_mixed_modes(LazySequence(names, [i for i, info in seen if info.mode in _GREY]), len(seen)),
    )


def _scaling(name: str, info: ImageInfo) -> str:
    width, height = info.scaled_from or (info.width, info.height)
    return f"{name} ({width}×{height} → {info.width}×{info.height})"


def _mixed_sizes(sizes: Sequence[tuple[int, int]]) -> tuple[Problem, ...]:
    """A note when sizes differ; a warning when the areas do by a factor of 16 or more."""
    counts = Counter(sizes)
    if len(counts) < 2:
        return ()
    areas = sorted(counts, key=lambda size: (size[0] * size[1], size))
    ratio = areas[-1][0] * areas[-1][1] / (areas[0][0] * areas[0][1])
    shown = [f"{width}×{height}" for (width, height), _ in counts.most_common()]
    ends = {"smallest": f"{areas[0][0]}×{areas[0][1]}", "largest": f"{areas[-1][0]}×{areas[-1][1]}"}
    return problems_from("mixed_sizes", shown, severity="warning" if ratio >= 16 else "note", values={**ends})


def _mixed_modes(grey: Sequence[str], total: int) -> tuple[Problem, ...]:
    if len(grey) in (0, total):
        return ()
    return problems_from("mixed_modes", grey, severity="note", values={"total": total})


def duplicate_problems(
    duplicates: Duplicates,
    labels: Sequence[str],
    fixed: Sequence[SplitName | None],
    names: Sequence[str],
    groups: Sequence[str],
    *,
    rows: bool = False,
) -> tuple[Problem, ...]:
    """Return duplicates, near duplicates, leaks between the user's own splits, and contradictory labels.

    ``rows`` of a table may well be equal in all inputs and not in the target, which is then no mistake of anybody's.

    All sequences run over the usable examples; near duplicates of different ``groups`` are not told of here. ``count``
    is that of superfluous images, not of pairs.
    """
    copies = [f"{names[group[0]]} = {names[other]}" for group in duplicates.exact for other in group[1:]]
    pairs = [(first, second) for first, second in duplicates.near.pairs.tolist()]
    together = [(a, b) for a, b in pairs if groups[a] == groups[b]]
    seconds = {int(second): int(first) for first, second in reversed(together)}
    alike = [f"{names[first]} ≈ {names[second]}" for second, first in sorted(seconds.items())]
    torn = [group for group in duplicates.exact if len({labels[i] for i in group}) > 1]
    contradictions = [" / ".join(f"{names[i]} ({labels[i]})" for i in _one_of_each(group, labels)) for group in torn]
    skipped = (
        ()
        if duplicates.near_searched
        else (make_problem("near_duplicates_skipped", (), severity="note", count=len(names)),)
    )
    return (
        *problems_from("leak", _leaks(duplicates.exact, fixed, names)),
        *problems_from("near_leak", _leaks(pairs, fixed, names)),
        *problems_from(
            "same_inputs" if rows else "contradictory_labels",
            contradictions,
            count=sum(map(len, torn)),
            severity="note" if rows else "warning",
        ),
        *problems_from("duplicates", copies),
        *problems_from("near_duplicates", alike, severity="note"),
        *skipped,
    )


def _one_of_each(group: Sequence[int], labels: Sequence[str]) -> list[int]:
    return sorted({labels[i]: i for i in reversed(group)}.values())


def _leaks(alike: Sequence[Sequence[int]], fixed: Sequence[SplitName | None], names: Sequence[str]) -> list[str]:
    """Each example outside the training part that is alike to one inside it, or in the test to a validation
    one."""
    rank: dict[SplitName | None, int] = {"train": 0, "validation": 1, "test": 2}
    leaks: dict[int, str] = {}
    for group in alike:
        inside = sorted((i for i in group if fixed[i]), key=lambda i: (rank[fixed[i]], i))
        for i in inside[1:]:
            if fixed[i] != fixed[inside[0]]:
                leaks.setdefault(i, f"{names[inside[0]]} = {names[i]}")
    return list(leaks.values())


def leaked_examples(exact: Sequence[Sequence[int]], splits: Sequence[SplitName]) -> set[int]:
    """Return the examples that must not be trained on, since an identical image is in the test or validation split."""
    rank: dict[SplitName, int] = {"train": 0, "validation": 1, "test": 2}
    last = [(group, max(rank[splits[i]] for i in group)) for group in exact]
    return {i for group, highest in last for i in group if rank[splits[i]] < highest}


def target_problems(spec: Spec, counts: Mapping[str, int], labels: Sequence[object]) -> tuple[Problem, ...]:
    """Return problems with the targets of the usable examples; ``counts`` are those of each class or tag."""
    if spec.task == "classify":
        return class_problems(counts)
    if spec.task == "verify":
        return identity_problems(counts)
    if spec.task == "tag":
        return (*_tiny(counts), *_empty(counts))
    if spec.task == "regress" and len(set(labels)) < 2:
        return problems_from("one_value", [repr(label) for label in set(labels)] or ["–"], severity="error")
    return ()


def class_problems(counts: Mapping[str, int]) -> tuple[Problem, ...]:
    """Return an empty dataset, one class, tiny classes, imbalance; ``counts`` are the usable examples per class."""
    filled = {name: count for name, count in counts.items() if count}
    lone = (
        problems_from("one_class", sorted(filled) or ["–"], severity="error", count=len(filled))
        if len(filled) < 2
        else ()
    )
    return (*_empty(counts), *lone, *_tiny(counts), *_imbalance(filled))


def identity_problems(counts: Mapping[str, int]) -> tuple[Problem, ...]:
    """Return identities with a single example, and too few with several; ``counts`` are the usable examples of each."""
    filled = {name: count for name, count in counts.items() if count}
    single = [escape_unprintable(name) for name, count in filled.items() if count == 1]
    several = len(filled) - len(single)
    if several < MIN_IDENTITIES_TO_LEARN:
        return problems_from("identities_few", single or sorted(filled) or ["–"], severity="error", count=several)
    mostly = 2 * len(single) > len(filled)
    hardly = sorted(filled) if several < ENOUGH_IDENTITIES else []
    return (
        *problems_from(
            "identities_mostly_single" if mostly else "identities_single", single,
            severity="error" if mostly else "note", values={"total": len(filled)},
        ),
        *problems_from("identities_hardly_enough", hardly, count=several),
    )  # fmt: skip


def _empty(counts: Mapping[str, int]) -> tuple[Problem, ...]:
    return problems_from("empty_class", sorted((name for name, count in counts.items() if not count), key=natural_key))


def _tiny(counts: Mapping[str, int]) -> tuple[Problem, ...]:
    return problems_from(
        "tiny_class",
        [f"{escape_unprintable(n)} ({count})" for n, count in counts.items() if 0 < count < MIN_CLASS_SIZE],
    )


def _imbalance(counts: Mapping[str, int]) -> tuple[Problem, ...]:
    """Largest to smallest class: from 3 a note, from 10 a warning."""
    if len(counts) < 2:
        return ()
    largest = max(counts, key=lambda name: counts[name])
    smallest = min(counts, key=lambda name: counts[name])
    ratio = counts[largest] / counts[smallest]
    severity: Severity = "warning" if ratio >= 10 else "note"
    shown = [f"{escape_unprintable(name)} ({counts[name]})" for name in (largest, smallest)]
    if ratio < 3:
        return ()
    return problems_from("imbalance", shown, severity=severity, count=len(counts), values={"ratio": f"{ratio:.0f}"})


def split_problems(split: Sequence[SplitName], labels: Sequence[str], classes: Sequence[str]) -> tuple[Problem, ...]:
    """Return splits without an example, and classes that training or the test never sees."""
    missing: list[Problem] = []
    pairs = set(zip(labels, split, strict=True))
    for name in ("train", "validation", "test"):
        held = {label for label, side in pairs if side == name}
        if not held:
            severity: Severity = "warning" if name == "validation" else "error"
            missing.append(make_problem(f"empty_{name}", (), severity=severity, count=0))
        elif name == "train" and split.count("train") == 1:
            missing.append(make_problem("one_example", (), severity="error", count=1))
        elif name != "validation":
            missing.extend(problems_from(f"class_not_in_{name}", [label for label in classes if label not in held]))
            if name == "test" and len(held) == 1 < len(classes):
                missing.append(make_problem("one_class_in_test", sorted(held), severity="error"))
    return tuple(missing)


def structured_class_problems(
    spec: Spec, split: Sequence[SplitName], held: Sequence[frozenset[int]] | None
) -> tuple[Problem, ...]:
    """Return the lack of a second class in labels of pixels, words or stretches of sound; ``held`` are those in each
    mask, None for other targets."""
    if spec.task != "label":
        return ()
    occurring = range(len(spec.classes)) if held is None else sorted(frozenset().union(*held))
    if len(occurring) < 2:
        return problems_from(
            "one_class", [spec.classes[i] for i in occurring] or ["–"], severity="error", count=len(occurring)
        )
    tested = {i for own, side in zip(held or (), split, strict=held is not None) if side == "test" for i in own}
    if len(tested) != 1:
        return ()
    return problems_from("one_class_in_test", [spec.classes[i] for i in tested], severity="error")


def class_name_problems(counts: Mapping[str, int]) -> tuple[Problem, ...]:
    """Return the classes whose names differ only in capitals or blanks: one class, most likely, written differently.

    Single letters do not count: an "a" and an "A" are two signs.
    """
    alike: dict[str, list[str]] = {}
    for name in counts:
        plain = "".join(re.split(r"[\s_-]+", unicodedata.normalize("NFKC", name).casefold()))
        alike.setdefault(plain, []).append(name)
    groups = [names for plain, names in alike.items() if len(names) > 1 and len(plain) > 1]
    shown = [" / ".join(f"{name} ({counts[name]})" for name in names) for names in groups]
    return problems_from("class_names_alike", shown, count=sum(map(len, groups)))
