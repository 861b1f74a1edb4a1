"""Who spoke when: pyannote.metrics' figures."""

import json
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.evaluation.bootstrap import metrics_with_intervals
from capas.evaluation.scorers import evaluate_files
from capas.evaluation.speech.diarization import diarization_components, diarization_inputs
from capas.evaluation.speech.speaker_turns import Turn
from tests.harness import FIXTURES

CASES = json.loads((FIXTURES / "score" / "pyannote.json").read_text())["cases"]


def turns(rows: list[tuple[float, float, str]]) -> list[Turn]:
    return [Turn(start_s=start, end_s=start + length, speaker=who, where="") for start, length, who in rows]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_components_are_pyannotes(number: int) -> None:
    case = CASES[number]
    uem = None if case["uem"] is None else [(a, b) for a, b in case["uem"]]
    for wanted in case["results"]:
        found = diarization_components(
            turns(case["reference"]),
            turns(case["hypothesis"]),
            uem,
            collar=wanted["collar"],
            skip_overlap=wanted["skip_overlap"],
        )
        ours = (found.missed, found.false_alarm, found.confusion, found.total, found.jaccard, found.speakers)
        names = ("missed", "false_alarm", "confusion", "total", "jaccard", "speakers")
        assert ours == pytest.approx(tuple(wanted[name] for name in names), abs=1e-9)


def rttm(name: str, *rows: str) -> Path:
    path = Path(name)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def line(file: str, start: float, length: float, who: str) -> str:
    return f"SPEAKER {file} 1 {start} {length} <NA> <NA> {who} <NA> <NA>"


def test_files_together_missing_files_and_uem() -> None:
    reference = rttm("r.rttm", line("a", 0, 10, "Ana"), line("b", 0, 10, "Ben"), "SPKR-INFO a 1 <NA>")
    found = evaluate_files("diarization", reference, rttm("h.rttm", line("a", 0, 8, "x")))
    figures = {figure.name: figure for figure in metrics_with_intervals(found.measured)}
    assert figures["der"].value == pytest.approx(12 / 20) and figures["der"].n == 20
    assert figures["jer"].value == pytest.approx((0.2 + 1) / 2) and "b" in found.lacks[0]
    assert [row[0] for row in found.tables[0].rows] == ["a", "b"]
    uem = rttm("s.uem", "a 1 0 5", "a 1 4 6")
    within = evaluate_files("diarization", reference, Path("h.rttm"), {"uem": str(uem)})
    assert metrics_with_intervals(within.measured)[0].value == 0 and within.counts["speech_s"] == 6
    assert diarization_inputs(reference, {}) == ("a", "b")


def test_what_is_wrong_is_refused_with_its_line() -> None:
    reference = rttm("r.rttm", line("a", 0, 10, "Ana"))
    for key, where, text in (
        ("score_backwards", "h.rttm:2", line("a", 3, -1, "x")),
        ("score_unknown_id", "h.rttm:2", line("z", 3, 1, "x")),
        ("score_fields", "h.rttm:2", "SPEAKER a 1 3"),
        ("score_fields", "h.rttm:2", "speaker a 1 3"),
        ("score_number", "h.rttm:2", "SPEAKER a 1 x 1 <NA> <NA> w"),
    ):
        with pytest.raises(CapasError) as caught:
            evaluate_files("diarization", reference, rttm("h.rttm", line("a", 0, 1, "x"), text))
        assert (caught.value.key, caught.value.where) == (key, where)
    for value in (-1.0, "wide"):
        with pytest.raises(CapasError) as caught:
            evaluate_files("diarization", reference, reference, {"collar": value})
        assert (caught.value.key, caught.value.where) == ("score_option_value", "--collar")


def der(reference: Path, hypothesis: Path) -> float:
    figures = metrics_with_intervals(evaluate_files("diarization", reference, hypothesis).measured)
    return next(figure.value for figure in figures if figure.name == "der")


def test_blanks_in_names_shift_no_field() -> None:
    reference = rttm("r.rttm", line("a", 0, 5, "Ana Maria"), line("a", 5, 5, "Ana Luisa"))
    assert der(reference, rttm("h.rttm", line("a", 0, 10, "x"))) == pytest.approx(0.5)
    reference = rttm("r2.rttm", line("my talk", 3.5, 5, "Ana"), line("my talk", 9, 4, "Ben"))
    hypothesis = rttm("h2.rttm", line("my talk", 3.5, 1, "x"), line("my talk", 9, 1, "y"))
    assert der(reference, hypothesis) == pytest.approx(7 / 9)


def test_a_line_whose_fields_cannot_be_told_apart_is_refused() -> None:
    reference = rttm("r.rttm", "SPEAKER a 1 0 5 words <NA> Ana Maria <NA> <NA>")
    with pytest.raises(CapasError) as caught:
        evaluate_files("diarization", reference, reference)
    assert (caught.value.key, caught.value.where) == ("score_fields", f"{reference}:1")
