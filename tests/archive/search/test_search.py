"""Hits are where the words stand, as probable as the posteriors say."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

import capas.archive.search.search
from capas.archive.library.adding import add_pages_from
from capas.archive.library.database import Library
from capas.archive.reading.index_provenance import read_index_provenance
from capas.archive.reading.pages import reindex, spots_of_lines
from capas.archive.reading.posteriors import pack_posteriors
from capas.archive.search.hits_csv import search_hits_csv
from capas.archive.search.search import ArchiveSearcher, SearchHit, SearchRequest, SearchResults, exact_probability
from capas.core.errors import CapasError
from capas.keyword_index.hits import Hits
from capas.keyword_index.query_limit import QueryLimit, limited
from capas.page_formats.page import bounding_box
from tests.archive.conftest import MAKING, draw, posteriors_of
from tests.archive.reading.test_pages import written


def find(library: Library, wanted: SearchRequest) -> SearchResults:
    finder = ArchiveSearcher(library)
    try:
        return finder.search(wanted)
    finally:
        finder.store.close()


def where(findings: SearchResults) -> list[tuple[int, int | None]]:
    return [(one.page.id, one.line) for one in findings.hits]


def test_a_word_is_found_where_it_stands(library: Library) -> None:
    found = find(library, SearchRequest(query="sepan", min_probability=0.5))
    assert where(found) == [(1, 0)] and found.units == (("notaries/1606", 1),)
    one: SearchHit = found.hits[0]
    box = bounding_box(one.words[0].outline)
    assert 30 <= box.left <= 75 and 150 <= box.right <= 250 and 50 < box.top < 150 < box.bottom < 200
    assert one.text == "sepan cuantos esta carta vieren"
    assert one.probability == pytest.approx(0.97**5, rel=0.05)


def test_old_spellings_are_one_word_where_they_are_folded(library: Library) -> None:
    assert where(find(library, SearchRequest(query="ciudad"))) == [(1, 2), (2, 1)]  # cibdad, çiudad
    assert find(library, SearchRequest(query="ciudad", folds=False)).count == 0
    assert where(find(library, SearchRequest(query="sevilla"))) == [(1, 2)]  # seuilla


def test_words_may_have_to_stand_in_one_line_or_on_one_page(library: Library) -> None:
    assert find(library, SearchRequest(query="sepan seuilla", min_probability=0.2)).count == 0
    on_page = find(library, SearchRequest(query="sepan seuilla", min_probability=0.2, within="page"))
    assert where(on_page) == [(1, None)] and {place.line for place in on_page.hits[0].words} == {0, 2}


def test_showing_what_was_found_is_under_the_limit_too(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = QueryLimit(seconds=100)
    searched = capas.archive.search.search.search_spots

    def searched_too_long(*arguments: object, **options: object) -> Hits:
        found = searched(*arguments, **options)  # type: ignore[arg-type]
        limit.cancel()
        return found

    monkeypatch.setattr("capas.archive.search.search.search_spots", searched_too_long)
    with limited(limit), pytest.raises(CapasError) as caught:
        find(library, SearchRequest(query="c*", within="page"))
    assert caught.value.key == "query_too_slow"


def test_expected_ones_are_the_sum_and_the_rest_is_a_page_away(library: Library) -> None:
    all_of = find(library, SearchRequest(query="c*", min_probability=0.02))
    assert all_of.count == 5 and all_of.precision is not None
    assert all_of.expected.value == pytest.approx(sum(one.probability for one in all_of.hits))
    assert all_of.precision.value == pytest.approx(all_of.expected.value / all_of.count)
    second = find(library, SearchRequest(query="c*", min_probability=0.02, offset=2, limit=3))
    assert second.hits == all_of.hits[2:5] and second.expected == all_of.expected
    one_unit = find(library, SearchRequest(query="c*", min_probability=0.02, unit="notaries/1607"))
    assert dict(all_of.units)["notaries/1607"] == one_unit.count < all_of.count


def test_asked_again_the_posteriors_say_what_the_index_said(library: Library) -> None:
    kept = find(library, SearchRequest(query="casas", folds=False)).hits[0]
    exact = find(library, SearchRequest(query="casas", folds=False, exact=True)).hits[0]
    assert exact.probability == pytest.approx(kept.probability, rel=0.06)  # an index keeps one byte of each
    content = library.posteriors(2)[2]
    making = read_index_provenance(library)
    assert exact_probability(content, "casas", making, folds=False) == pytest.approx(exact.probability)
    assert exact_probability(content, "XYZ", making, folds=False) == 0.0


def test_all_spellings_and_places_of_a_word_in_a_line_are_asked_again_as_one(library: Library) -> None:
    making = read_index_provenance(library)
    two = pack_posteriors(posteriors_of("casas de casas", 150, 0.6))
    with library.changing() as connection:
        connection.execute("UPDATE posteriors SET content = ? WHERE page = 2 AND number = 2", (two,))
    reindex(library, making.alphabet, making.origin, lambda done, of: None)
    (exact,) = [
        one
        for one in find(library, SearchRequest(query="casas", min_probability=0.01, exact=True)).hits
        if one.line == 2
    ]
    assert len(exact.words) > 1
    once = exact_probability(pack_posteriors(posteriors_of("casas de", 80, 0.6)), "casas", making, folds=True)
    assert exact.probability == pytest.approx(1 - (1 - once) ** 2, rel=1e-3)


def test_a_word_that_a_hyphen_divides_is_asked_again_in_both_lines() -> None:
    making = replace(MAKING, characters=" -acimno")
    first, second = (pack_posteriors(written(text, making.alphabet)) for text in ("on cami-", "no a"))
    assert exact_probability(first, "camino", making, folds=True) < 0.001
    both = exact_probability(first, "camino", making, folds=True, after=second)
    (kept,) = [
        one
        for one in next(spots_of_lines([first, second], making.alphabet, page=1, least=making.min_probability))
        if one.word == "camino"
    ]
    assert both == pytest.approx(kept.probability, rel=0.01) and both > 0.35


def test_where_no_character_stands_between_words_a_line_is_one(library: Library) -> None:
    making = replace(MAKING, characters="acimno")
    line = pack_posteriors(written("camino", making.alphabet))
    assert exact_probability(line, "camino", making, folds=True, after=line) == pytest.approx(0.9**6, rel=0.01)
    assert exact_probability(line, "cami", making, folds=True) < 0.1


def test_a_page_that_was_replaced_is_not_shown_until_it_is_read_again(library: Library, tmp_path: Path) -> None:
    pages = library.pages()
    draw(tmp_path / "scan.png", ("otro",))
    with library.changing() as connection:
        connection.execute("UPDATE pages SET source = ? WHERE id = 1", (str(tmp_path / "scan.png"),))
    changed = add_pages_from(
        library, [tmp_path / "scan.png"], pages[0].unit, fetch=False, progress=lambda done, of: None
    )
    assert changed.new == 1
    for exact in (False, True):
        assert where(find(library, SearchRequest(query="sepan OR juan", exact=exact))) == [(2, 0)]


def test_the_table_counts_as_people_do_and_its_box_is_that_of_the_words(library: Library) -> None:
    findings = find(library, SearchRequest(query="sepan", min_probability=0.5))
    (row,) = csv.DictReader(io.StringIO(search_hits_csv(findings).decode("utf-8-sig")))
    assert (row["page"], row["frame"], row["line"], row["words"]) == ("fol_1", "1", "1", "sepan")
    box = bounding_box(findings.hits[0].words[0].outline)
    assert [int(row[side]) for side in ("left", "top", "right", "bottom")] == [
        round(side) for side in (box.left, box.top, box.right, box.bottom)
    ]


def test_an_archive_that_has_no_pages_says_so(library: Library) -> None:
    empty = Library.create(library.folder.parent / "empty", "")
    with pytest.raises(CapasError) as caught:
        ArchiveSearcher(empty)
    assert caught.value.key == "archive_empty"
