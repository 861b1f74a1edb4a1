"""``capas score`` and ``capas challenge`` as people and scripts use them."""

from pathlib import Path

import pytest

from capas.core.i18n import choose_language
from tests.harness import capas_here

REFERENCE = "id,label\n" + "".join(f"x{i},{'ab'[i % 2]}\n" for i in range(40))
GOOD = REFERENCE.replace("x3,b", "x3,a")
BAD = REFERENCE.replace(",b", ",a")


@pytest.fixture
def files() -> None:
    for name, text in (("ref.csv", REFERENCE), ("good.csv", GOOD), ("bad.csv", BAD)):
        Path(name).write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("files")
def test_score_and_compare(capsys: pytest.CaptureFixture[str]) -> None:
    said = capas_here(capsys, "score", "classification", "ref.csv", "good.csv", "--against", "bad.csv", "--json")
    tree = said.json
    assert isinstance(tree, dict) and said.code == 0
    accuracy = tree["metrics"]["accuracy"]
    assert accuracy["value"] == 0.975 and accuracy["n"] == 40 and len(accuracy["interval"]) == 2
    assert tree["against"]["metrics"]["accuracy"]["value"] == 0.5
    assert tree["against"]["differences"]["accuracy"]["shown"] and tree["counts"]["right"] == 39
    shown = capas_here(capsys, "score", "classification", "ref.csv", "good.csv", "--against", "bad.csv").out
    assert "97.5 %" in shown and "good.csv is better" in shown
    assert "no difference is shown" in capas_here(
        capsys, "score", "classification", "ref.csv", "good.csv", "--against", "good.csv"
    ).out  # fmt: skip


@pytest.mark.usefixtures("files")
def test_every_task_is_said_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.txt").write_text("uno dos tres\ncuatro\n", encoding="utf-8")
    Path("h.txt").write_text("uno dos\ncinco\n", encoding="utf-8")
    Path("r.rttm").write_text("SPEAKER f 1 0 2 <NA> <NA> A <NA> <NA>\n", encoding="utf-8")
    Path("r.csv").write_text("term,file,start,end\na,f,0,1\n", encoding="utf-8")
    Path("h.csv").write_text("term,file,start,end,score\na,f,0,1,0.5\n", encoding="utf-8")
    for language, word in (("en", "units"), ("es", "unidades")):
        choose_language(language)
        for task, reference, hypothesis in (
            ("speech", "r.txt", "h.txt"), ("diarization", "r.rttm", "r.rttm"), ("detection", "r.csv", "h.csv"),
            ("classification", "ref.csv", "bad.csv"),
        ):  # fmt: skip
            said = capas_here(capsys, "score", task, reference, hypothesis)
            assert said.code == 0 and word in said.out, task


@pytest.mark.usefixtures("files")
def test_mistakes_are_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    for words, key in (
        (("poetry", "ref.csv", "good.csv"), "score_task"),
        (("classification", "ref.csv", "none.csv"), "score_no_file"),
        (("classification", "ref.csv", "good.csv", "--collar", "1"), "score_option"),
        (("diarization", "ref.csv", "good.csv"), "score_fields"),
    ):
        said = capas_here(capsys, "score", *words, "--json")
        assert said.code == 2 and isinstance(said.json, dict) and said.json["error"] == key


@pytest.mark.usefixtures("files")
def test_a_challenge_from_beginning_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    new = ("challenge", "new", "c", "--task", "classification", "--reference", "ref.csv")
    assert capas_here(capsys, *new, "--limit", "1/total", "--public-share", "0.5").code == 0
    told = capas_here(capsys, "challenge", "submit", "c", "good.csv", "--team", "us", "--json").json
    assert isinstance(told, dict) and told["metrics"]["accuracy"]["n"] == 20 and told["left"] == 0
    again = capas_here(capsys, "challenge", "submit", "c", "bad.csv", "--team", "us", "--json")
    assert again.code == 2 and isinstance(again.json, dict) and again.json["error"] == "challenge_limit"
    assert "20" in capas_here(capsys, "challenge", "submit", "c", "bad.csv", "--team", "them").out
    ranking = Path("c/public/ranking.html")
    before = capas_here(capsys, "challenge", "rank", "c")
    assert (
        "us" in before.out
        and "%" in before.out
        and " %" not in ranking.read_text(encoding="utf-8").split("<tbody>")[1].split("</table>")[0]
    )
    after = capas_here(capsys, "challenge", "rank", "c", "--final", "--html", "out.html", "--json").json
    assert isinstance(after, dict) and [place["team"] for place in after["places"]] == ["us", "them"]
    assert not after["places"][1]["as_good_as_best"] and after["published"]
    assert Path("out.html").read_text(encoding="utf-8") == ranking.read_text(encoding="utf-8")
    assert " %" in ranking.read_text(encoding="utf-8").split("<tbody>")[1].split("</table>")[0]
    assert capas_here(capsys, "challenge", "submit", "c", "ref.csv", "--team", "late").code == 2
