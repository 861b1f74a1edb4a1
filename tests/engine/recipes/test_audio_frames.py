"""Which sound when: learnt on tones in silence, told alike alone and together, in every form, and resumed exactly."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.data.audio.io import read_audio
from capas.data.audio.segments import Segment
from capas.data.sources.segment_files import read_segment_rows
from capas.decoding.alphabet import Alphabet
from capas.engine.config import Config
from capas.engine.evaluate import evaluate_on as retested
from capas.engine.plan import config_for_data, make_plan
from capas.engine.predict import Model, load_model
from capas.engine.recipes.audio_frames import windows
from capas.engine.recipes.audio_frames.network import upsample_frames
from capas.engine.recipes.audio_frames.predictor import AudioFramesPredictor
from capas.engine.recipes.audio_frames.windows import split_into_windows, window_samples
from capas.engine.recipes.shared.spectrograms import AudioPreparation, spectrograms_of
from capas.engine.recipes.shared.timed_text import TimedText, to_rttm, to_srt
from capas.engine.recipes.transcription.word_times import subtitle_lines, word_timings
from capas.engine.train import TrainingCallbacks, resume, train
from tests.engine.made_frames import RATE, recordings, tones, write
from tests.harness import FIXED, capas_here, train_here

SETTINGS: Mapping[str, object] = {
    **FIXED, "train.batch_size": 4, "train.epochs": 10, "train.evaluations": 2, "audio.n_mels": 24,
    "optim.learning_rate": 0.004,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings(tmp_path_factory.mktemp("tones") / "data", 30)


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    return train_here(data, data.parent / "run", SETTINGS)


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return load_model(run)


def figures(run: Path) -> dict[str, dict[str, dict[str, object]]]:
    tree: dict[str, dict[str, dict[str, object]]] = json.loads((run / "metrics.json").read_text())
    return tree


def test_tones_are_found_where_they_are(run: Path, model: Model, tmp_path: Path) -> None:
    found = figures(run)
    assert list(found["metrics"]) == ["frame_error", "macro_f1", "event_f1"]
    commonest = found["baseline"]["most_frequent_class"]["frame_error"]
    assert found["metrics"]["frame_error"]["value"] < 0.04 < commonest["value"]  # type: ignore[index, operator]
    assert list(found["per_class"]) == ["none", "high", "low"]
    truth = tones(tmp_path / "new.wav", 500)
    (answer,) = model.predict([tmp_path / "new.wav"])
    segments = answer.facts["segments"]
    assert answer.prediction == [one.label for one in truth] and answer.facts["seconds"] == 2.0
    for own, true in zip(segments, truth, strict=True):
        assert abs(own["start"] - true.start_s) < 0.05 and abs(own["end"] - true.end_s) < 0.05
        assert own["label"] == true.label and 0.5 < own["probability"] <= 1


def test_alone_as_together_whatever_the_length(model: Model, data: Path, tmp_path: Path) -> None:
    tones(tmp_path / "long.wav", 501, seconds=5)
    tones(tmp_path / "odd.wav", 502, seconds=1.503)
    paths = [data / "0.wav", tmp_path / "long.wav", tmp_path / "odd.wav"]
    together, alone = model.predict(paths), [model.predict([path])[0] for path in paths]
    for one, other in zip(together, alone, strict=True):
        assert one.prediction == other.prediction and one.facts["seconds"] == other.facts["seconds"]
        for a, b in zip(one.facts["segments"], other.facts["segments"], strict=True):
            assert (a["start"], a["end"]) == (b["start"], b["end"])
            assert a["probability"] == pytest.approx(b["probability"], abs=1e-4)


def test_the_saved_model_says_what_was_written_when_it_was_tested(run: Path, model: Model, data: Path) -> None:
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row, answer in zip(rows, model.predict([data / row["example"] for row in rows]), strict=True):
        said = "; ".join(f"{s['start']:.2f}-{s['end']:.2f} {s['label']}" for s in answer.facts["segments"])
        assert row["predicted"] == said


def test_what_is_written_is_read_back(model: Model, data: Path, tmp_path: Path) -> None:
    (answer,) = model.predict([data / "1.wav"])
    wanted = [(s["start"], s["end"], s["label"]) for s in answer.facts["segments"]]
    for ending in (".csv", ".txt", ".rttm"):
        (tmp_path / f"1{ending}").write_bytes(answer.files[ending])
        read = [row.segment for row in read_segment_rows(tmp_path / f"1{ending}")]
        assert [(round(s.start_s, 6), round(s.end_s, 6), s.label) for s in read if isinstance(s, Segment)] == wanted
    assert answer.files[".srt"].decode().count(" --> ") == len(wanted)
    assert json.loads(answer.files[".json"])["segments"] == answer.facts["segments"]


def test_bad_inputs_cost_one_refusal(model: Model, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    write(tmp_path / "silent.wav", np.zeros(RATE))
    quiet = np.random.default_rng(0).normal(0, 0.01, 100).astype(np.float32)
    answers = model.predict([tmp_path / "text.wav", tmp_path / "silent.wav", 3, np.zeros(0, np.float32), quiet])
    assert [answer.refused is None for answer in answers] == [False, False, False, False, True]
    assert answers[-1].prediction == [] and answers[-1].text == "nothing but none"


def test_long_sounds_are_read_in_pieces_that_overlap(model: Model, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering = model.predictor
    assert isinstance(answering, AudioFramesPredictor)
    wave = torch.cat([torch.from_numpy(read_audio(data / f"{i}.wav").samples) for i in range(4)])
    (whole,) = answering._probabilities([wave])
    monkeypatch.setattr(windows, "WINDOW", 400)
    monkeypatch.setattr(windows, "CONTEXT", 80)
    first, second = answering._probabilities([wave, wave[: 3 * RATE]])
    assert whole.shape == first.shape == (801, 3) and len(second) == 301
    assert (first.argmax(1) == whole.argmax(1)).double().mean() > 0.98
    torch.testing.assert_close(first.sum(1), torch.ones(801))


def test_other_data_is_tested_by_the_names_of_its_classes(run: Path, tmp_path: Path) -> None:
    low = recordings(tmp_path / "low", 4, labels=("low",))
    found = retested(run, str(low))
    assert found["metrics"]["frame_error"]["value"] < 0.05 and found["baseline"] == {}  # type: ignore[index]
    (low / "0.txt").write_text("0.1\t0.2\tdog\n")
    with pytest.raises(CapasError) as caught:
        retested(run, str(low))
    assert caught.value.key == "class_unknown"


def test_a_stopped_run_goes_on_exactly(data: Path, run: Path) -> None:
    config = Config().merged({**SETTINGS, "data.source": str(data)})
    stopped, seen = data.parent / "stopped", 0

    def stop_soon(event: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config.merged({"train.checkpoint_steps": 3}), out=stopped, watch=TrainingCallbacks(event=stop_soon))
    assert resume(stopped) is not None
    weights = [(folder / "bundle" / "model.safetensors").read_bytes() for folder in (run, stopped)]
    assert weights[0] == weights[1]
    assert (run / "predictions.csv").read_bytes() == (stopped / "predictions.csv").read_bytes()


def test_speech_or_none_has_its_own_figures(tmp_path: Path) -> None:
    root = recordings(tmp_path / "data", 24, labels=("low",))
    found = figures(train_here(root, tmp_path / "run", {**SETTINGS, "train.epochs": 4}))
    assert list(found["metrics"])[:4] == ["frame_error", "missed", "false_alarm", "detection_error"]
    assert list(found["baseline"]) == ["most_frequent_class", "energy_threshold"]
    simple = found["baseline"]["energy_threshold"]["frame_error"]
    assert simple["value"] < 0.05  # type: ignore[index, operator]


def test_the_command_line_writes_every_form(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = capas_here(capsys, "predict", run, data / "0.wav", "--json")
    assert said.code == 0 and {"start", "end", "label", "probability"} == set(said.json[0]["segments"][0])  # type: ignore[index]
    assert capas_here(capsys, "predict", run, data / "0.wav", "-o", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.csv", "0.json", "0.rttm", "0.srt", "0.txt"]
    assert capas_here(capsys, "predict", run, data / "0.wav", "-o", tmp_path / "all.csv").code == 0
    assert "segments" in (tmp_path / "all.csv").read_text().splitlines()[0]


def test_what_is_left_open_is_decided(data: Path) -> None:
    config = make_plan(config_for_data(str(data), {})).config
    assert (config.network.name, config.audio.sample_rate, config.audio.seconds) == ("crnn-sound", 8000, 2.0)
    with pytest.raises(CapasError) as caught:
        make_plan(config_for_data(str(data), {"network.name": "compact"}))
    assert caught.value.key == "network_not_for"


# --- pieces and frames ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [2, 7, 100, 1000])
def test_pieces_cover_every_frame_once(most: int) -> None:
    found = split_into_windows([1, 99, 100, 101, 250], most)
    for recording, total in enumerate([1, 99, 100, 101, 250]):
        frames = [p.first + i for p in found if p.recording == recording for i in range(p.count)]
        assert frames == list(range(total))
    assert max(piece.count for piece in found) <= most


def test_a_piece_has_the_frames_that_it_has_in_the_whole() -> None:
    wave = torch.randn(8000) / 10
    preparation = AudioPreparation(rate=8000, seconds=1.0, num_mels=16)
    whole = spectrograms_of([wave.numpy()], preparation).values[0]
    piece = spectrograms_of([window_samples(wave, 20, 50, 80).numpy()], preparation)
    assert piece.lengths.tolist() == [50]
    # The two frames at either end see silence instead of what comes before and after.
    torch.testing.assert_close(piece.values[0, :, 2:-2], whole[:, 22:68])


def test_answers_between_two_are_their_mean() -> None:
    logits = torch.tensor([[[0.0], [2.0], [4.0]], [[1.0], [3.0], [99.0]]])
    assert upsample_frames(logits, torch.tensor([3, 2]), 5)[0, :, 0].tolist() == [0, 1, 2, 3, 4]
    assert upsample_frames(logits, torch.tensor([3, 2]), 5)[1, :4, 0].tolist() == [1, 2, 3, 3]


# --- other programs' forms --------------------------------------------------------------------------------------------


def test_subtitles_and_rttm() -> None:
    found = [TimedText(start_s=59.9996, end_s=3600.0, text="two words", probability=0.5)]
    assert to_srt(found) == "1\n00:01:00,000 --> 01:00:00,000\ntwo words\n\n"
    assert to_rttm(found, "a folder/my talk.wav") == (
        "SPEAKER my_talk 1 60.000 3540.000 <NA> <NA> two_words <NA> <NA>\n"
    )


def test_words_are_timed_by_the_frames_of_their_characters() -> None:
    alphabet = Alphabet(characters=" ab")
    path = [0, 2, 2, 0, 3, 1, 1, 0, 2, 0]  # "ab a"
    logits = torch.nn.functional.one_hot(torch.tensor(path), 4).float() * 9
    words = word_timings(logits, alphabet, 0.02)
    assert [(w.text, round(w.start_s, 2), round(w.end_s, 2)) for w in words] == [("ab", 0.02, 0.1), ("a", 0.16, 0.18)]
    assert all(0.99 < word.probability < 1 for word in words)
    assert word_timings(logits[:1], alphabet, 0.02) == []
    lines = subtitle_lines([*words, TimedText(start_s=2, end_s=3, text="b", probability=1)])
    assert [line.text for line in lines] == ["ab a", "b"]
