"""One line of NIST's RTTM: ``SPEAKER file channel onset duration <NA> <NA> name <NA> <NA>``.

RTTM has no quotes, but files and speakers whose names hold blanks are written all the same. The numbers and the two
``<NA>`` between duration and name tell where such names begin and end.
"""

import re
from dataclasses import dataclass
from typing import Final

_NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LINE: Final = re.compile(
    rf"SPEAKER (?P<file>\S.*?) \S+ (?P<onset>{_NUMBER}) (?P<duration>{_NUMBER}) <NA> <NA> "
    rf"(?P<speaker>\S.*?)(?: (?:<NA>|{_NUMBER})){{0,2}}",
    re.ASCII,
)
_REST: Final = re.compile(rf"<NA>|{_NUMBER}", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class RttmTurn:
    """One turn, its numbers as they are written, in seconds."""

    file: str
    onset: str
    duration: str
    speaker: str


def parse_rttm_turn(line: str) -> RttmTurn | None:
    """Parse a line of the type SPEAKER; None where its fields cannot be told apart.

    >>> parse_rttm_turn("SPEAKER my talk 1 3.5 5.0 <NA> <NA> Ana Maria <NA> <NA>")
    RttmTurn(file='my talk', onset='3.5', duration='5.0', speaker='Ana Maria')
    """
    words = line.split()
    if (found := _LINE.fullmatch(" ".join(words))) is not None:
        return RttmTurn(**found.groupdict())
    # Writers that put other words in place of <NA>: then only the places of the fields count.
    if not 8 <= len(words) <= 10 or words[0] != "SPEAKER" or words[7] == "<NA>":
        return None
    if not all(map(_REST.fullmatch, words[8:])):
        return None
    return RttmTurn(file=words[1], onset=words[3], duration=words[4], speaker=words[7])
