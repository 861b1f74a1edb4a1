"""Groups that file names tell of: the speaker of "0_jackson_12.wav", the patient of "P017_left.png".

Divided at random, such a group is in training and test alike, and the test says nothing about new ones. ``--group
name:2`` keeps the second part of the names together.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

MIN_EXAMPLES: Final = 40
MIN_WORDS: Final = 3  # "left" and "right" are no people
MIN_NUMBERS: Final = 5  # nor are two years
MAX_GROUPS_SHARE: Final = 1 / 3  # of the examples; with more, parts are numbers of the files themselves
MAX_GROUP_SHARE: Final = 0.8
_ASKED: Final = re.compile(r"name:([1-9][0-9]?)")


def name_parts(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the parts of the file names that have a part everywhere: "2" is the second of "0_jackson_12.wav".

    >>> name_parts(["0/0_ann_1.wav", "1/1_bob_2.wav"])["2"]
    ['ann', 'bob']
    """
    parts = [_parts(name) for name in names]
    if not parts or len({len(one) for one in parts}) != 1:
        return {}
    return {str(k + 1): [one[k] for one in parts] for k in range(len(parts[0]))}


def _parts(name: str) -> list[str]:
    """The parts of a file's stem, at punctuation, and between letters and digits: "s12-take3" has s, 12, take, 3."""
    return re.findall(r"[^\W\d_]+|\d+", PurePosixPath(name).stem)


def asked_part(group: str) -> int | None:
    """Return the number of the part that ``name:2`` asks for, from 1; None for anything else."""
    found = _ASKED.fullmatch(group)
    return int(found[1]) if found else None


def part_of_names(names: Sequence[str], number: int) -> list[str]:
    """Return one part of each name, "" where it has none."""
    return [parts[number - 1] if len(parts) >= number else "" for parts in map(_parts, names)]


def may_be_groups(values: Sequence[str], targets: Sequence[object]) -> bool:
    """Return whether ``values`` repeat as groups do, and are not the target under another name."""
    counts = Counter(values)
    if (
        len(values) < MIN_EXAMPLES
        or not 2 <= len(counts) <= MAX_GROUPS_SHARE * len(values)
        or max(counts.values()) > MAX_GROUP_SHARE * len(values)
    ):
        return False
    held = defaultdict(set)
    for value, target in zip(values, targets, strict=True):
        held[target].add(value)
    # A class in one group only cannot be known from another.
    return all(len(groups) > 1 for groups in held.values()) or len(held) > len(values) / 3


def groups_in_names(names: Sequence[str], targets: Sequence[object]) -> tuple[int, list[str]] | None:
    """Return the number of the part of the names that most likely names people or things that come again, and its
    values; None where no part does.

    Words before numbers: "jackson" names somebody, "12" may count the files. Numbers count as well where each has
    files of several targets and they do not simply run on within each ("0001_3.png", "0002_5.png", …).
    """
    usable = {number: values for number, values in name_parts(names).items() if may_be_groups(values, targets)}
    words = {number: values for number, values in usable.items() if not all(value.isdigit() for value in values)}
    padded = {number: values for number, values in usable.items() if number not in words and _names_somebody(values)}
    for candidates, least in ((words, MIN_WORDS), (padded, MIN_NUMBERS)):
        number = max(candidates, key=lambda number: len(set(candidates[number])), default="")
        if number and len(set(candidates[number])) >= least:
            return int(number), candidates[number]
    return None


def _names_somebody(values: Sequence[str]) -> bool:
    """Whether numbers are written as those of patients are: all of them with as many digits, three or more."""
    return len({len(value) for value in values}) == 1 and len(values[0]) >= 3
