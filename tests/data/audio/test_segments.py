"""Segments: every form is read alike, what is wrong is told with its line, and folders and tables are known for it."""

import json
from pathlib import Path

import pytest
import torch

from capas.core.errors import CapasError
from capas.data.audio.segments import Segment, SegmentCollection, clip_segments, frame_classes, remove_overlaps
from capas.data.inspect.report import inspect_dataset
from capas.data.inspect.task_detection import detect_task
from capas.data.sources.segment_files import is_audacity_line, parse_seconds, read_segment_rows
from capas.data.sources.source import DataSource, open_source
from tests.data.audio.test_io import tone
from tests.data.audio.test_io import write as write_sound

FOUND = [Segment(start_s=0.02, end_s=0.05, label="dog"), Segment(start_s=0.06, end_s=0.09, label="big cat")]
FORMS = {
    "a.txt": "0.020000\t0.050000\tdog\n\\\t100.0\t200.0\n0.060000\t0.090000\tbig cat\n",
    "b.txt": "0,02\t0,05\tdog\r\n0,06\t0,09\tbig cat\r\n",
    "a.csv": "start,end,label\n0.02,0.05,dog\n0.06,0.09,big cat\n",
    "b.csv": "\ufeffEtiqueta;Fin;Inicio;nota\ndog;0,05;0,02;x\nbig cat;0,09;0,06;\n",
    "a.tsv": "onset\toffset\tevent_label\n0.02\t0.05\tdog\n0.06\t0.09\tbig cat\n",
    "long.TextGrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 0.1\ntiers? <exists>\n'
    'size = 2\nitem []:\n    item [1]:\n        class = "TextTier"\n        name = "points"\n        xmin = 0\n'
    '        xmax = 0.1\n        points: size = 1\n        points [1]:\n            number = 0.01\n'
    '            mark = "x [3]"\n    item [2]:\n        class = "IntervalTier"\n        name = "who 2"\n'
    "        xmin = 0\n        xmax = 0.1\n        intervals: size = 4\n"
    + "".join(
        f'        intervals [{i}]:\n            xmin = {a}\n            xmax = {b}\n            text = "{text}"\n'
        for i, (a, b, text) in enumerate(
            ((0, 0.02, ""), (0.02, 0.05, "dog"), (0.05, 0.06, " "), (0.06, 0.09, "big cat")), 1
        )
    ),
    "short.TextGrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n0.1\n<exists>\n1\n'
    '"IntervalTier"\n"who"\n0\n0.1\n4\n0\n0.02\n""\n0.02\n0.05\n"dog"\n0.05\n0.06\n""\n0.06\n0.09\n"big cat"\n',
}  # fmt: skip


def sounds(root: Path, count: int = 4, **seconds_of: float) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        write_sound(root / f"{i}.wav", tone(seconds_of.get(f"s{i}", 0.1), hz=300.0 + 50 * i))
    return root


def texts(root: Path, *contents: str) -> Path:
    for i, content in enumerate(contents):
        (root / f"{i}.txt").write_text(content, encoding="utf-8", newline="")
    return root


def segments(source: DataSource) -> dict[str, list[tuple[float, float, str]]]:
    assert source.files is not None and isinstance(source.targets, SegmentCollection)
    found = source.targets.segments
    return {source.files.name(i): [(s.start_s, s.end_s, s.label) for s in own] for i, own in enumerate(found)}


def kinds(source: DataSource) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {problem.kind: (problem.count, problem.examples) for problem in source.problems}


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMS)
def test_every_form_says_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(FORMS[name], encoding="utf-8", newline="")
    assert [row.segment for row in read_segment_rows(path)] == FOUND


def test_rttm_holds_durations_and_names_without_blanks(tmp_path: Path) -> None:
    path = tmp_path / "a.rttm"
    path.write_text(
        ";; made by hand\nSPKR-INFO a 1 <NA> <NA> <NA> unknown ana <NA> <NA>\n"
        "SPEAKER a 1 0.02 0.03 <NA> <NA> ana <NA> <NA>\nSPEAKER a 1 0.06 -1 <NA> <NA> luis <NA>\nSPEAKER a 1\n"
    )
    first, second, third = read_segment_rows(path)
    assert first.segment == Segment(start_s=0.02, end_s=0.05, label="ana")
    assert second.reversed_times and second.line == 4 and third.segment is None and not third.reversed_times


def test_praat_writes_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_bytes(FORMS["short.TextGrid"].replace("dog", "año").encode("utf-16"))
    assert read_segment_rows(path)[0].segment == Segment(start_s=0.02, end_s=0.05, label="año")


def test_bad_rows_are_known_by_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        "0.1\t0.2\tdog\n\nx\t0.3\tdog\n0.5\t0.4\tdog\n0.6\t0.7\n-1\t0.7\tdog\n0.8\tinf\tdog\n0.9\t0.9\tdog\n"
    )
    rows = read_segment_rows(path)
    assert [row.line for row in rows if row.segment is None and not row.reversed_times] == [3, 5, 6, 7]
    assert [row.line for row in rows if row.reversed_times] == [4, 8]


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("a.txt", b"Two dogs barked.\nThen a cat.\n", "segments_unreadable"),
        ("a.txt", "0.1\t0.2\ta\u00f1o\n".encode("cp1252"), "table_encoding"),
        ("a.txt", b"0.1\t0.2\t\0\n", "table_broken"),
        ("a.csv", b"from,to\n1,2\n", "segments_unreadable"),
        ("a.TextGrid", b'File type = "ooTextFile"\n"TextTier"\n', "segments_unreadable"),
        ("a.TextGrid", b"\xff\xfea", "segments_unreadable"),
    ],
)
def test_files_that_hold_no_segments_are_refused(name: str, content: bytes, key: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CapasError) as caught:
        read_segment_rows(tmp_path / name)
    assert caught.value.key == key and name in str(caught.value) and "{" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.rttm", "a.TextGrid"])
def test_an_empty_file_means_that_there_is_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("")
    assert read_segment_rows(tmp_path / name) == []


def test_times_are_numbers_with_point_or_comma() -> None:
    assert parse_seconds(" 1,5 ") == parse_seconds("1.5") == 1.5
    assert [parse_seconds(text) for text in ("", "nan", "1:05", "1.000,5")] == [None] * 4
    assert is_audacity_line("1\t2") and not is_audacity_line("1 2 dog") and not is_audacity_line("dog\t1\t2")


# --- rules ------------------------------------------------------------------------------------------------------------


def at(start: float, end: float, label: str) -> Segment:
    return Segment(start_s=start, end_s=end, label=label)


def test_of_two_that_overlap_the_later_one_goes_unless_they_are_the_same() -> None:
    kept, out = remove_overlaps([at(2, 3, "b"), at(0, 1, "a"), at(0.5, 1.5, "a"), at(1.2, 2.5, "c"), at(3, 4, "b")])
    assert list(kept) == [at(0, 1.5, "a"), at(2, 3, "b"), at(3, 4, "b")] and list(out) == [at(1.2, 2.5, "c")]
    kept, out = remove_overlaps([at(0, 1.005, "a"), at(1, 2, "b")])  # as programs round
    assert list(kept) == [at(0, 1.005, "a"), at(1.005, 2, "b")] and not out


def test_what_ends_behind_the_sound_is_cut_or_left_out() -> None:
    found = clip_segments(
        [at(0, 1, "a"), at(1.5, 2.005, "a"), at(1.5, 2.05, "b"), at(1.5, 2.2, "c"), at(2, 2.05, "d")], 2.0
    )
    assert list(found.kept) == [at(0, 1, "a"), at(1.5, 2, "a"), at(1.5, 2, "b")]
    assert (found.n_cut, found.n_beyond) == (1, 2)


def test_a_frame_is_of_the_segment_that_holds_its_time() -> None:
    classes = frame_classes([at(0.02, 0.05, "b"), at(0.29, 0.31, "a")], ("none", "a", "b"), 33, 0.01)
    assert classes.nonzero().flatten().tolist() == [2, 3, 4, 29, 30]
    assert classes[2] == 2 and classes[29] == 1 and classes.dtype == torch.int64
    touching = frame_classes([at(0.0, 0.1, "a"), at(0.1, 0.2, "b")], ("none", "a", "b"), 20, 0.01)
    assert touching.tolist() == [1] * 10 + [2] * 10


# --- folders ----------------------------------------------------------------------------------------------------------


def test_audacity_labels_beside_sounds(tmp_path: Path) -> None:
    root = texts(sounds(tmp_path), "0.01\t0.05\tdog\n", "0.02\t0.06\tcat\n0.07\t0.08\tnone\n", "", "0\t0.1\tdog\n")
    source = open_source(root)
    assert (source.layout, source.medium, source.target_kind, source.file_field) == (
        "pairs",
        "audio",
        "segments",
        "sound",
    )
    assert segments(source)["2.wav"] == [] and segments(source)["0.wav"] == [(0.01, 0.05, "dog")]
    assert source.classes == ("none", "cat", "dog")
    detection = detect_task(source)
    assert (detection.spec.task, detection.spec.medium, detection.spec.target.kind) == ("label", "audio", "segments")
    assert "4 sounds with their segments" in detection.evidence[0] and "none" in detection.evidence[1]
    assert detect_task(source, task="label").spec == detection.spec
    with pytest.raises(CapasError) as caught:
        detect_task(source, task="transcribe")
    assert caught.value.key == "task_not_of_data"


def test_plain_sentences_beside_sounds_stay_transcripts(tmp_path: Path) -> None:
    root = texts(sounds(tmp_path), "two dogs", "1 2 3", "cat\tdog", "")
    source = open_source(root)
    assert source.target_kind == "transcript" and detect_task(source).spec.task == "transcribe"


@pytest.mark.parametrize("suffix", [".csv", ".rttm", ".TextGrid"])
def test_other_forms_beside_sounds(suffix: str, tmp_path: Path) -> None:
    root = sounds(tmp_path)
    content = {
        ".csv": FORMS["a.csv"], ".TextGrid": FORMS["long.TextGrid"],
        ".rttm": "SPEAKER 0 1 0.02 0.03 <NA> <NA> dog <NA> <NA>\nSPEAKER 0 1 0.06 0.03 <NA> <NA> big_cat <NA> <NA>\n",
    }[suffix]  # fmt: skip
    for i in range(3):
        (root / f"{i}{suffix}").write_text(content)
    source = open_source(root)
    assert source.target_kind == "segments" and kinds(source)["without_target"] == (1, ("3.wav",))
    assert [label.replace("_", " ") for _, _, label in segments(source)["1.wav"]] == ["dog", "big cat"]


def test_split_folders_lay_down_the_split(tmp_path: Path) -> None:
    for split in ("train", "prueba"):
        texts(sounds(tmp_path / split, 3), *["0.01\t0.05\tdog\n"] * 3)
    source = open_source(tmp_path)
    assert sorted(map(str, source.fixed_split)) == ["test"] * 3 + ["train"] * 3


def test_what_is_wrong_is_skipped_counted_and_named(tmp_path: Path) -> None:
    root = texts(
        sounds(tmp_path, 6, s3=0.2), "0.01\t0.05\tdog\n0.03\t0.06\tcat\nx\t0.08\tdog\n",
        "0.05\t0.02\tdog\n0.06\t0.08\tdog\n",
        "0.05\t0.15\tdog\n0.02\t0.04\tdog\n", "0.1\t0.25\tdog\n", "0.02\t5\tdog\n", "",
    )  # fmt: skip
    (root / "5.txt").write_bytes("0.01\t0.05\ta\u00f1o\n".encode("cp1252"))
    assert kinds(open_source(root)) == {
        "overlapping_segment": (1, ("0.txt:2",)), "broken_segment": (1, ("0.txt:3",)),
        "backward_segment": (1, ("1.txt:1",)),
    }  # fmt: skip
    seen = inspect_dataset(root)
    told = {problem.kind: (problem.count, problem.examples, problem.severity) for problem in seen.problems}
    assert told["segment_cut"] == (2, ("2.txt", "3.txt"), "note")
    assert told["segment_beyond"] == (1, ("4.txt",), "warning")
    assert told["unreadable_segments"][:2] == (1, ("5.txt",))
    assert seen.usable == (True,) * 5 + (False,) and "unlabelled" not in told
    assert all("{" not in problem.sentence() + problem.advice() for problem in seen.problems)


def test_when_most_files_cannot_be_read_the_first_says_why(tmp_path: Path) -> None:
    root = texts(sounds(tmp_path, 3), "0.01\t0.05\tdog\n")
    for i in (1, 2):
        (root / f"{i}.txt").write_bytes("0.01\t0.05\ta\u00f1o\n".encode("cp1252"))
    with pytest.raises(CapasError) as caught:
        inspect_dataset(root)
    assert caught.value.key == "table_encoding" and "1.txt" in str(caught.value)


def test_sounds_without_any_segment_are_refused(tmp_path: Path) -> None:
    root = sounds(tmp_path, 2)
    for i in range(2):
        (root / f"{i}.csv").write_text("start,end,label\n")
    with pytest.raises(CapasError) as caught:
        open_source(root)
    assert caught.value.key == "no_segments"


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_of_segments(tmp_path: Path) -> None:
    root = sounds(tmp_path, 4)
    (root / "marks.csv").write_text(
        "file,start,end,label,split\n0.wav,0.01,0.05,dog,train\n1.wav,0.02,0.03,cat,train\n0.wav,0.06,0.08,cat,test\n"
        "2.wav,,,,test\ngone.wav,0.1,0.2,dog,test\n1.wav,0.09,0.05,cat,train\n"
    )
    source = open_source(root)
    assert segments(source) == {
        "0.wav": [(0.01, 0.05, "dog"), (0.06, 0.08, "cat")], "1.wav": [(0.02, 0.03, "cat")], "2.wav": [],
    }  # fmt: skip
    assert source.fixed_split == ("train", "train", "test")  # a recording is never divided
    assert kinds(source) == {
        "missing_file": (1, ("gone.wav",)), "backward_segment": (1, ("marks.csv:7",)),
        "not_in_table": (1, ("3.wav",)),
    }  # fmt: skip
    (alternative,) = detect_task(source).alternatives
    assert (alternative.task, alternative.target) == ("classify", "label")
    as_classes = open_source(root, target="label")
    assert as_classes.target_kind is None and "label" in as_classes.columns


def test_a_table_without_times_is_no_table_of_segments(tmp_path: Path) -> None:
    root = sounds(tmp_path, 4)
    (root / "marks.csv").write_text("file,label\n0.wav,dog\n1.wav,cat\n2.wav,dog\n3.wav,cat\n")
    assert open_source(root).target_kind is None


def test_what_look_says_is_json(tmp_path: Path) -> None:
    root = texts(sounds(tmp_path), *["0.01\t0.05\tdog\n"] * 4)
    tree = json.loads(json.dumps(inspect_dataset(root).as_json()))
    assert tree["task"] == "label" and tree["fields"][1]["kind"] == "segments"
    assert tree["fields"][1]["classes"] == ["none", "dog"]
