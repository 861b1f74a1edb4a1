"""Lines of RTTM whose names hold blanks, and lines of which nobody can say what they mean."""

import pytest

from capas.data.sources.rttm import RttmTurn, parse_rttm_turn


@pytest.mark.parametrize(
    ("line", "file", "speaker"),
    [
        ("SPEAKER a 1 0.5 5 <NA> <NA> Ana <NA> <NA>", "a", "Ana"),
        ("SPEAKER a 1 0.5 5 <NA> <NA> Ana Maria <NA> <NA>", "a", "Ana Maria"),
        ("SPEAKER a 1 0.5 5 <NA> <NA> Ana Maria <NA>", "a", "Ana Maria"),
        ("SPEAKER my talk 1 0.5 5 <NA> <NA> Ana <NA>", "my talk", "Ana"),
        ("SPEAKER my 2 talks 1 0.5 5 <NA> <NA> Ana Maria <NA> 0.9", "my 2 talks", "Ana Maria"),
        ("SPEAKER\ta b\t1\t0.5\t5\t<NA>\t<NA>\t3\t<NA>\t<NA>", "a b", "3"),
        ("SPEAKER a 1 0.5 5 words adult Ana <NA> <NA>", "a", "Ana"),
        ("SPEAKER a 1 0.5 5 <NA> <NA> Ana", "a", "Ana"),
    ],
)
def test_names_end_where_the_numbers_begin(line: str, file: str, speaker: str) -> None:
    assert parse_rttm_turn(line) == RttmTurn(file=file, onset="0.5", duration="5", speaker=speaker)


@pytest.mark.parametrize(
    "line",
    ["SPEAKER a 1 0.5 5 words adult Ana Maria <NA> <NA>", "SPEAKER my talk 1 0.5 5 words <NA> Ana <NA>",
     "SPEAKER a 1 0.5 5 <NA> <NA>"],
)  # fmt: skip
def test_fields_that_cannot_be_told_apart_are_none(line: str) -> None:
    assert parse_rttm_turn(line) is None
