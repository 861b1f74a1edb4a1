"""Hits are where the words stand, as probable as the posteriors say."""

import pytest

from capas.archive.finding import Finder, Findings, Found, Wanted, exact_probability
from capas.archive.library import Library
from capas.archive.making import kept_making
from capas.core.errors import CapasError
from capas.pages.page import box_of


def find(library: Library, wanted: Wanted) -> Findings:
    finder = Finder(library)
    try:
        return finder.find(wanted)
    finally:
        finder.store.close()


def where(findings: Findings) -> list[tuple[int, int | None]]:
    return [(one.page.id, one.line) for one in findings.found]


def test_a_word_is_found_where_it_stands(library: Library) -> None:
    found = find(library, Wanted(query="sepan", least=0.5))
    assert where(found) == [(1, 0)] and found.units == (("notaries/1606", 1),)
    one: Found = found.found[0]
    box = box_of(one.places[0].outline)
    assert 30 <= box.left <= 75 and 150 <= box.right <= 250 and 50 < box.top < 150 < box.bottom < 200
    assert one.text == "sepan cuantos esta carta vieren"
    assert one.probability == pytest.approx(0.97**5, rel=0.05)


def test_old_spellings_are_one_word_where_they_are_folded(library: Library) -> None:
    assert where(find(library, Wanted(query="ciudad"))) == [(1, 2), (2, 1)]  # cibdad, çiudad
    assert find(library, Wanted(query="ciudad", folds=False)).count == 0
    assert where(find(library, Wanted(query="sevilla"))) == [(1, 2)]  # seuilla


def test_words_may_have_to_stand_in_one_line_or_on_one_page(library: Library) -> None:
    assert find(library, Wanted(query="sepan seuilla", least=0.2)).count == 0
    on_page = find(library, Wanted(query="sepan seuilla", least=0.2, within="page"))
    assert where(on_page) == [(1, None)] and {place.line for place in on_page.found[0].places} == {0, 2}


def test_expected_ones_are_the_sum_and_the_rest_is_a_page_away(library: Library) -> None:
    all_of = find(library, Wanted(query="c*", least=0.02))
    assert all_of.count == 5 and all_of.precision is not None
    assert all_of.expected.value == pytest.approx(sum(one.probability for one in all_of.found))
    assert all_of.precision.value == pytest.approx(all_of.expected.value / all_of.count)
    second = find(library, Wanted(query="c*", least=0.02, offset=2, limit=3))
    assert second.found == all_of.found[2:5] and second.expected == all_of.expected
    one_unit = find(library, Wanted(query="c*", least=0.02, unit="notaries/1607"))
    assert dict(all_of.units)["notaries/1607"] == one_unit.count < all_of.count


def test_asked_again_the_posteriors_say_what_the_index_said(library: Library) -> None:
    kept = find(library, Wanted(query="casas", folds=False)).found[0]
    exact = find(library, Wanted(query="casas", folds=False, exact=True)).found[0]
    assert exact.probability == pytest.approx(kept.probability, rel=0.06)  # an index keeps one byte of each
    content = library.posteriors(2)[2]
    making = kept_making(library)
    assert exact_probability(content, "casas", making, folds=False) == pytest.approx(exact.probability)
    assert exact_probability(content, "XYZ", making, folds=False) == 0.0


def test_an_archive_that_nothing_has_read_says_so(library: Library) -> None:
    empty = Library.create(library.folder.parent / "empty", "")
    with pytest.raises(CapasError) as caught:
        Finder(empty)
    assert caught.value.key == "archive_unread"
