"""Time-stamped text in the forms of other programs, as their descriptions want it."""

import csv
import io
import json

from capas.engine.recipe import Prediction
from capas.engine.recipes.shared.timed_text import (
    TimedText,
    to_audacity,
    to_rttm,
    to_segment_csv,
    to_srt,
    with_output_files,
)


def timed(start_s: float, end_s: float, text: str, probability: float = 0.5) -> TimedText:
    return TimedText(start_s=start_s, end_s=end_s, text=text, probability=probability)


def test_json_has_milliseconds_and_the_text_under_its_own_name() -> None:
    assert timed(1.23456, 2.0, "bird", 0.12345678).as_json("label") == {
        "start": 1.235, "end": 2.0, "label": "bird", "probability": 0.123457,
    }  # fmt: skip


def test_subtitles_are_numbered_from_one_and_sixty_seconds_make_a_minute() -> None:
    assert to_srt([timed(0.0, 59.9996, "Uno"), timed(3599.5, 36000.0, "Dos")]) == (
        "1\n00:00:00,000 --> 00:01:00,000\nUno\n\n2\n00:59:59,500 --> 10:00:00,000\nDos\n\n"
    )
    assert to_srt([]) == ""


def test_audacity_has_one_line_per_label_whatever_is_in_the_text() -> None:
    assert to_audacity([timed(0.5, 1.25, "a\tlong\nlabel "), timed(2, 3, "b")]) == (
        "0.500000\t1.250000\ta long label\n2.000000\t3.000000\tb\n"
    )


def test_a_csv_cell_holds_commas_and_quotation_marks() -> None:
    text = to_segment_csv([timed(0.5, 1.25, 'a, "b"', 0.25)])
    assert list(csv.reader(io.StringIO(text))) == [
        ["start", "end", "label", "probability"],
        ["0.500", "1.250", 'a, "b"', "0.250000"],
    ]
    assert to_segment_csv([]) == "start,end,label,probability\n"


def test_rttm_gives_durations_and_has_no_blanks_within_a_field() -> None:
    line = to_rttm([timed(0.5, 1.75, "a bird")], "sounds/my field.wav")
    assert line == "SPEAKER my_field 1 0.500 1.250 <NA> <NA> a_bird <NA> <NA>\n"
    assert len(line.split()) == 10  # the ten fields of NIST's RT-09 plan
    assert to_rttm([timed(0, 1, "x")], "").startswith("SPEAKER sound 1 ")


def test_output_files_are_utf8_and_one_is_the_whole_answer() -> None:
    answer = Prediction(input="a.wav", prediction=["¡sí!"], facts={"seconds": 1.0})
    found = with_output_files(answer, {".srt": "ñ\n"})
    assert set(found.files) == {".srt", ".json"} and found.files[".srt"] == b"\xc3\xb1\n"
    assert "¡sí!".encode() in found.files[".json"] and json.loads(found.files[".json"]) == answer.as_json()
    assert found.prediction == answer.prediction and not answer.files
