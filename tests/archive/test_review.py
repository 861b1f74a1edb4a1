"""What people say is kept, with what stood there before; nobody's words are lost to somebody else's."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from capas.archive.library.database import Library
from capas.archive.review import record_correction, record_verdict, reviewed_precision, reviews, uncertain_lines
from capas.core.errors import CapasError


def test_a_correction_is_the_truth_and_remembers_what_stood_there(library: Library) -> None:
    before = library.lines(1)[1].text
    kept = record_correction(library, 1, "l1", "que yo Juan", "ana", text_before=before)
    row = library.lines(1)[1]
    assert (row.target, row.text, kept.before) == ("que yo Juan", before, before)
    record_correction(library, 1, "l1", "que yo Juan de Toledo", "eva")
    assert [(one.reviewer, one.before) for one in reviews(library, 1)] == [("ana", before), ("eva", "que yo Juan")]


def test_a_line_that_somebody_changed_meanwhile_is_not_overwritten(library: Library) -> None:
    seen = library.lines(1)[0].text
    record_correction(library, 1, "l0", "first", "ana", text_before=seen)
    with pytest.raises(CapasError) as caught:
        record_correction(library, 1, "l0", "second", "eva", text_before=seen)
    assert caught.value.key == "line_changed" and "first" in str(caught.value) and "second" in str(caught.value)
    assert library.lines(1)[0].target == "first" and len(reviews(library)) == 1


def test_of_two_reviewers_at_once_exactly_one_is_kept(library: Library) -> None:
    seen = library.lines(1)[0].text

    def save(name: str) -> str:
        try:
            return record_correction(library, 1, "l0", f"by {name}", name, text_before=seen).reviewer
        except CapasError as error:
            return error.key

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(save, [f"r{i}" for i in range(8)]))
    kept = [name for name in said if name != "line_changed"]
    assert len(kept) == 1 and library.lines(1)[0].target == f"by {kept[0]}"


def test_verdicts_count_once_for_a_word_the_last_one(library: Library) -> None:
    for word, verdict in (("sepan", "wrong"), ("sepan", "right"), ("carta", "wrong")):
        record_verdict(library, 1, "l0", word, "right" if verdict == "right" else "wrong", "ana")
    assert reviewed_precision(reviews(library)) == (1, 2)
    with pytest.raises(ValueError, match="correct"):
        record_verdict(library, 1, "l0", "sepan", "corrected", "ana")


@pytest.mark.parametrize(("page", "line"), [(1, "l9"), (99, "l0")])
def test_what_is_not_there_cannot_be_reviewed(library: Library, page: int, line: str) -> None:
    with pytest.raises(CapasError) as caught:
        record_verdict(library, page, line, "x", "right", "ana")
    assert caught.value.key == "no_such_line" and reviews(library) == []


def test_the_badly_read_lines_come_first_until_they_are_corrected(library: Library) -> None:
    first = uncertain_lines(library)
    assert {(one.page, one.line) for one in first[:2]} == {(1, "l1"), (2, "l1")}
    record_correction(library, first[0].page, first[0].line, "x", "ana")
    assert uncertain_lines(library)[0].line == "l1" and len(uncertain_lines(library)) == len(first) - 1
    assert {one.page for one in uncertain_lines(library, unit="notaries/1607")} == {2}
    assert len(uncertain_lines(library, limit=2)) == 2
