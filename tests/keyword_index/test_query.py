"""The query language: what is read, and what is refused where."""

import pytest

from capas.core.errors import CapasError
from capas.core.i18n import choose_language
from capas.keyword_index.query import And, Or, Phrase, Query, Term, parse_query

REY, REINO, DE = (Term(text=word) for word in ("rey", "reino", "de"))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("rey", REY),
        ("  rey  ", REY),
        ("rey reino", And(parts=(REY, REINO))),
        ("rey AND reino", And(parts=(REY, REINO))),
        ("rey OR reino de", Or(parts=(REY, And(parts=(REINO, DE))))),
        ("(rey OR reino) de", And(parts=(Or(parts=(REY, REINO)), DE))),
        ("rey NOT reino", And(parts=(REY,), without=(REINO,))),
        ("NOT reino rey", And(parts=(REY,), without=(REINO,))),
        ("rey AND NOT (reino OR de)", And(parts=(REY,), without=(Or(parts=(REINO, DE)),))),
        ('"rey de"', Phrase(terms=(REY, DE))),
        ('reino"rey de"', And(parts=(REINO, Phrase(terms=(REY, DE))))),
        ('"rey"', REY),
        ("((rey))", REY),
        ("re? r*", And(parts=(Term(text="re?"), Term(text="r*")))),
        ("rey~2", Term(text="rey", edits=2)),
        ('"rey~1 d*"', Phrase(terms=(Term(text="rey", edits=1), Term(text="d*")))),
        ("or y not", And(parts=(Term(text="or"), Term(text="y"), Term(text="not")))),
        ("rey, (¡reino!) «de»", And(parts=(REY, REINO, DE))),
        ("rey-reino", Phrase(terms=(REY, REINO))),
        ('"rey, reino. de"', Phrase(terms=(REY, REINO, DE))),
        ("rey’reino~1", Phrase(terms=(REY, Term(text="reino", edits=1)))),
        ("re*.*", Term(text="re*")),
        ("rey AND rey", REY),
        ("⁊ q\u0303 nin\u0303o", And(parts=(Term(text="⁊"), Term(text="q\u0303"), Term(text="ni\u00f1o")))),
        ("ſu çibdad 1540", And(parts=(Term(text="ſu"), Term(text="çibdad"), Term(text="1540")))),
    ],
)
def test_it_is_read_as_it_is_meant(text: str, tree: Query) -> None:
    assert parse_query(text) == tree


@pytest.mark.parametrize(
    ("text", "place", "part"),
    [
        ("", 1, "missing"),
        ("rey OR", 7, "missing"),
        ("rey AND OR reino", 9, "missing"),
        ("()", 2, "missing"),
        ('rey ""', 5, "missing"),
        ("rey (reino", 5, "not closed"),
        ("rey) reino", 4, "not opened"),
        ('rey "de reino', 5, "quotation mark"),
        ("rey ~1", 5, "no letter"),
        ("rey **", 5, "no letter"),
        ('"rey ???"', 6, "no letter"),
        ("re* rey~4", 5, "~1 to ~3"),
        ("re*~1", 1, "~1 to ~3"),
        ("rey~x", 1, "~1 to ~3"),
        ("rey \u0303", 5, "no letter"),
        (51 * "(" + "rey" + 51 * ")", 51, "more than 50"),
        (10_000 * "(", 51, "more than 50"),
        ("NOT rey", 1, "excludes from"),
        ("de OR NOT rey", 7, "excludes from"),
        ("rey NOT NOT de", 9, "missing"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, place: int, part: str) -> None:
    with pytest.raises(CapasError) as error:
        parse_query(text)
    assert error.value.key == "query_wrong" and error.value.values["place"] == place and part in str(error.value)


def test_the_reason_is_in_the_language_in_force() -> None:
    choose_language("es")
    with pytest.raises(CapasError, match="no se cierra el paréntesis"):
        parse_query("(rey")
