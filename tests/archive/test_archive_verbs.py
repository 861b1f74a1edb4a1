"""``capas archive export`` and ``review``, as they are typed."""

from pathlib import Path

import pytest

from capas.archive.library.database import Library
from capas.archive.review import reviews
from tests.harness import capas_here


def test_reviews_are_kept_and_leave_as_lines_to_train_on(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    run = library.folder
    listed = capas_here(capsys, "archive", "review", run, "--limit", "2", "--json").json
    assert [line["line"] for line in listed["lines"]] == ["l1", "l1"]  # type: ignore[call-overload, index]
    said = capas_here(capsys, "archive", "review", run, "--correct", "1", "l1", " que  yo Juan ", "--reviewer", "Ana")
    judged = capas_here(capsys, "archive", "review", run, "--judge", "1", "l0", "sepan", "right", "--reviewer", "Ana")
    assert said.code == judged.code == 0 and "sepan" in judged.out
    assert [(one.reviewer, one.text or one.word) for one in reviews(library)] == [
        ("Ana", "que yo Juan"),
        ("Ana", "sepan"),
    ]
    exported = capas_here(capsys, "archive", "review", run, "--export", "corrected")
    assert exported.out.endswith(": 1\n") and "capas train corrected/lines" in exported.err
    assert len(list(Path("corrected/lines").iterdir())) == 2


def test_lines_are_asked_for_one_by_one(
    library: Library, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["que yo Juan", "s", "", "q"])
    monkeypatch.setattr("builtins.input", lambda *_: next(typed))
    shown = capas_here(capsys, "archive", "review", library.folder, "--next", "--reviewer", "Eva")
    assert shown.code == 0 and "Lines kept: 2" in shown.err
    kept = reviews(library)
    assert kept[0].text == "que yo Juan" and kept[1].text == kept[1].before


def test_a_wrong_verdict_is_the_users_mistake(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    got = capas_here(capsys, "archive", "review", library.folder, "--judge", "1", "l0", "sepan", "perhaps", "--json")
    assert (got.code, got.json["error"]) == (2, "wrong_verdict") and reviews(library) == []  # type: ignore[call-overload, index]


def test_pages_are_exported_where_asked(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    got = capas_here(capsys, "archive", "export", library.folder, "--format", "alto", "--out", "out", "--json").json
    assert got == {"files": [f"out/notaries/160{i}/0001_fol_{i - 5}.alto.xml" for i in (6, 7)]}
    one = capas_here(
        capsys, "archive", "export", library.folder, "--format", "ead", "--out", "out", "--unit", "notaries/1606"
    )
    assert one.code == 0 and Path("out/ead.xml").read_text().count("<c ") == 1


def test_a_search_leaves_as_a_table_and_a_page(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    got = capas_here(capsys, "archive", "search", library.folder, "sepan", "--csv", "hits.csv", "--page", "hits.html")
    assert got.code == 0 and "<svg" in Path("hits.html").read_text()
    assert Path("hits.csv").read_text(encoding="utf-8-sig").startswith("probability,unit,page")
