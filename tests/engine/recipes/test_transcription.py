"""Lines and sounds are read: learnt on made-up ones, alone as in a batch, saved as unsaved; bad ones are told."""

import csv
import json
import math
import wave
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from capas.bundle.read import read_bundle
from capas.core.errors import CapasError
from capas.data.inspect.report import inspect_dataset
from capas.decoding.alphabet import Alphabet
from capas.decoding.ctc import collapse_ctc_path
from capas.decoding.transcripts import CTCDecoder, greedy_transcript, label_confidences
from capas.engine.evaluate import evaluate_on as retested
from capas.engine.plan import config_for_data, make_plan
from capas.engine.predict import Model, load_model
from capas.objectives.transcription import Transcription, pad_labels
from capas.page_formats.alto_write import to_alto
from capas.page_formats.page import Line, Page
from capas.page_formats.provenance import Provenance
from tests.harness import FIXED, train_here

SETTINGS: Mapping[str, object] = {
    **FIXED, "network.width": 8, "train.batch_size": 8, "train.epochs": 25, "data.image_size": 16,
    "train.evaluations": 2, "optim.learning_rate": 0.01,
}  # fmt: skip


def line(text: str) -> Image.Image:
    """Every character a bar of its own height, dark on white: "a" high, "ñ" middle, "o" low."""
    picture = np.full((16, 12 * len(text) + 6), 255, np.uint8)
    for place, character in enumerate(text):
        top = {"a": 2, "ñ": 6, "o": 11, " ": 16}[character]
        picture[top:15, 12 * place + 4 : 12 * place + 12] = 20
    return Image.fromarray(picture)


def texts(count: int, seed: int = 0) -> list[str]:
    chance = np.random.default_rng(seed)
    return ["".join(chance.choice(list("añoa o"), int(chance.integers(2, 6)))).strip() or "a" for _ in range(count)]


def write_lines(root: Path, count: int = 80, seed: int = 0) -> Path:
    root.mkdir(parents=True)
    for i, text in enumerate(texts(count, seed)):
        noisy = np.asarray(line(text)).astype(int) - np.random.default_rng(1000 * seed + i).integers(0, 20, (16, 1))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(root / f"{i}.png")
        (root / f"{i}.gt.txt").write_text(text.replace("ñ", "n\u0303"), encoding="utf-8")  # decomposed on purpose
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    return train_here(write_lines(folder / "data"), folder / "run", SETTINGS)


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return load_model(run)


def test_a_reader_starts_from_another_one(run: Path, tmp_path: Path) -> None:
    """Two characters of the first reader's alphabet, and one that it has not met, in two steps."""
    data = write_lines(tmp_path / "data", 24, seed=4)
    for file in data.glob("*.txt"):
        file.write_text(file.read_text(encoding="utf-8").replace("o", "u"), encoding="utf-8")
    settings = {**SETTINGS, "train.epochs": 0.3, "optim.learning_rate": 1e-6}
    started = train_here(data, tmp_path / "run", {**settings, "network.init_from": str(run)})
    fresh = train_here(data, tmp_path / "fresh", settings)
    first, second, third = (read_bundle(folder / "bundle") for folder in (run, started, fresh))
    for name, tensor in first.tensors.items():
        if "classifier" not in name and name.endswith("weight"):
            assert torch.allclose(tensor, second.tensors[name], atol=1e-3), name
            assert not torch.allclose(tensor, third.tensors[name], atol=1e-3), name
    rows = {character: k for k, character in enumerate(str(second.file("answers.json")["alphabet"]), 1)}
    before = {character: k for k, character in enumerate(str(first.file("answers.json")["alphabet"]), 1)}
    assert set(before) < set(rows)  # also "o", which no transcript has any more
    weight = next(name for name in first.tensors if name.endswith("classifier.weight"))
    for character in rows:
        alike = character in before and torch.allclose(
            first.tensors[weight][before[character]], second.tensors[weight][rows[character]], atol=1e-3
        )
        assert alike == (character != "u"), character


def test_a_start_that_does_not_fit_is_refused(run: Path, tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data", 24)
    with pytest.raises(CapasError) as refused:
        train_here(data, tmp_path / "run", {**SETTINGS, "network.width": 4, "network.init_from": str(run)})
    assert refused.value.key == "start_does_not_fit"


def test_lines_are_read(run: Path, model: Model) -> None:
    figures = json.loads((run / "metrics.json").read_text())
    assert list(figures["metrics"]) == ["cer", "wer", "exact"]
    assert figures["metrics"]["cer"]["value"] < 0.15 and figures["baseline"]["nothing"]["cer"]["value"] == 1
    (answer,) = model.predict([np.asarray(line("año"))])
    assert answer.prediction == answer.text == "año" and 0.3 < answer.probability <= 1
    assert len(answer.facts["character_probabilities"]) == 3
    assert answer.facts["probability"] == pytest.approx(answer.probability, abs=1e-6)


def test_the_saved_model_answers_what_was_written_when_it_was_tested(run: Path, model: Model) -> None:
    data = Path(json.loads((run / "data.json").read_text())["source"])
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    answers = model.predict([data / row["example"] for row in rows], batch_size=5)
    for row, answer in zip(rows, answers, strict=True):
        assert row["prediction"] == answer.text
        assert float(row["probability"]) == pytest.approx(answer.probability, abs=1e-5)


def test_light_writing_on_dark_is_read_alike(model: Model) -> None:
    dark = np.asarray(line("oña"))
    assert model.predict([dark])[0].text == model.predict([255 - dark])[0].text


def test_bad_inputs_cost_one_refusal(model: Model, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    answers = model.predict(
        [np.zeros((1, 1), np.uint8), tmp_path / "text.png", "none.png", 3, np.zeros((9, 9, 2), np.uint8)]
    )
    assert [answer.refused is None for answer in answers] == [True, False, False, False, False]


def test_unknown_characters_are_errors_of_other_data(run: Path, tmp_path: Path) -> None:
    root = write_lines(tmp_path / "more", 4, seed=5)
    (root / "0.gt.txt").write_text("zz")
    figures = retested(run, str(root))["metrics"]
    assert figures["cer"]["substitutions"] + figures["cer"]["deletions"] >= 2


def test_what_does_not_fit_is_left_out(tmp_path: Path) -> None:
    root = write_lines(tmp_path / "data", 12)
    (root / "2.gt.txt").write_text(" \n")
    (root / "3.gt.txt").write_text("a text much longer than such a line could hold " * 3)
    (root / "4.gt.txt").write_bytes(b"\xff\xfe\x00")
    seen = inspect_dataset(root)
    kinds = {problem.kind: problem.examples for problem in seen.problems}
    assert kinds["empty_transcript"] == ("2.gt.txt",) and kinds["short_for_transcript"] == ("3.gt.txt",)
    assert not seen.usable[2] and not seen.usable[3] and "unlabelled" not in kinds


def test_a_height_that_cannot_be_halved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CapasError) as caught:
        make_plan(config_for_data(str(write_lines(tmp_path / "data", 12)), {"data.image_size": 50}))
    assert caught.value.key == "line_height" and "16" in str(caught.value)


def write_pages(root: Path, count: int = 10, seed: int = 0, lines: int = 8) -> Path:
    """Pages of grey paper with lines that rise a little, and their ALTO beside them."""
    root.mkdir(parents=True)
    words = iter(texts(count * lines, seed))
    for number in range(count):
        page, written = Image.new("L", (140, 34 * lines + 20), 220), []
        for i in range(lines):
            text, top, rise = next(words), 15 + 34 * i, 4
            strip = line(text).rotate(math.degrees(math.atan2(rise, 60)), expand=True, fillcolor=220)
            page.paste(strip, (20, top))
            length = 12 * len(text) + 6
            foot = top + 15 + rise * length / 60
            baseline = ((20.0, foot), (20.0 + length, foot - rise * length / 60))
            outline = tuple((x, y + up) for up, ends in ((-15, baseline), (1, baseline[::-1])) for x, y in ends)
            written.append(Line(id=f"l{i}", baseline=baseline, polygon=outline, text=text))
        page.save(root / f"{number}.png")
        described = Page(width=page.width, height=page.height, lines=tuple(written))
        made = Provenance(created="2026-11-23T12:00:00Z")
        (root / f"{number}.xml").write_bytes(to_alto(described, made))
    return root


def test_pages_are_learnt_line_by_line(tmp_path: Path) -> None:
    run = train_here(write_pages(tmp_path / "pages"), tmp_path / "run", SETTINGS)
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["metrics"]["cer"]["value"] < 0.3
    sides = {}
    for name, _, _, side in json.loads((run / "data.json").read_text())["examples"]:
        sides.setdefault(name.partition("#")[0], set()).add(side)
    assert len(sides) == 10 and all(len(own) == 1 for own in sides.values())
    more = retested(run, str(write_pages(tmp_path / "more", count=2, seed=1)))
    assert more["metrics"]["exact"]["n"] == 16 and more["metrics"]["cer"]["value"] < 0.3


def write_sounds(root: Path, count: int = 60) -> Path:
    """Every character a tone of its own, of 0.16 s, with a pause behind."""
    root.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for i, text in enumerate(texts(count)):
        tones = []
        for character in text:
            hertz = {"a": 400.0, "ñ": 1000.0, "o": 2500.0, " ": 0.0}[character]
            tones += [0.4 * np.sin(2 * np.pi * hertz * np.arange(1280) / 8000), np.zeros(480)]
        samples = np.concatenate(tones)
        samples = (32767 * (samples + chance.normal(0, 0.01, len(samples)))).clip(-32768, 32767).astype("<i2")
        with wave.open(str(root / f"{i}.wav"), "wb") as stream:
            stream.setnchannels(1)
            stream.setsampwidth(2)
            stream.setframerate(8000)
            stream.writeframes(samples.tobytes())
        (root / f"{i}.txt").write_text(text, encoding="utf-8")
    return root


def test_sounds_are_read(tmp_path: Path) -> None:
    root = write_sounds(tmp_path / "data")
    settings = {key: value for key, value in SETTINGS.items() if key != "data.image_size"}
    quiet = {"audio.time_mask": 0, "audio.frequency_mask": 0, "audio.noise_snr_db": 0, "audio.n_mels": 16}
    longer = {"train.epochs": 60, "optim.learning_rate": 0.004}
    run = train_here(root, tmp_path / "run", {**settings, **quiet, **longer})
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["metrics"]["cer"]["value"] < 0.3
    model = load_model(run)
    paths = [root / "0.wav", root / "1.wav", root / "2.wav"]
    together, alone = model.predict(paths), [model.predict([path])[0] for path in paths]
    assert [a.text for a in together] == [a.text for a in alone]
    for answer in together:
        words = answer.facts["word_times"]
        assert [word["text"] for word in words] == answer.text.split() and set(answer.files) == {".srt", ".json"}
        assert all(0 <= word["start"] < word["end"] < 2 for word in words)
        assert json.loads(answer.files[".json"])["prediction"] == answer.text
    silent = tmp_path / "silent.wav"
    silent.write_bytes((root / "0.wav").read_bytes()[:44] + bytes(len((root / "0.wav").read_bytes()) - 44))
    answers = model.predict([silent, tmp_path / "none.wav", 3, np.zeros(0, np.float32)])
    assert all(answer.refused for answer in answers)


def test_the_alphabet_is_composed_and_unknown_characters_have_no_label() -> None:
    alphabet = Alphabet.from_texts(["an\u0303o"])
    assert alphabet.characters == "aoñ" and alphabet.num_labels == 4
    assert alphabet.decode(alphabet.encode("oñza")) == "oña"


def test_loss_is_per_character_and_reading_tells_how_sure_it_is() -> None:
    logits = torch.tensor([[0.0, 3, 0], [0, 5, 0], [4, 0, 0], [0, 0, 2]])
    read = greedy_transcript(logits, Alphabet(characters="xy"))
    chances = logits.softmax(1)
    assert read.text == "xy" and read.probabilities == pytest.approx([float(chances[1, 1]), float(chances[3, 2])])
    assert greedy_transcript(logits[2:3], Alphabet(characters="xy")).probability == 1
    labels = pad_labels([[1, 2], [2]])
    both = Transcription(torch.nn.Identity()).loss(logits.expand(2, -1, -1), torch.tensor([4, 4]), labels)
    each = [
        Transcription(torch.nn.Identity()).loss(logits[None], torch.tensor([4]), labels[i : i + 1, : 2 - i])
        for i in (0, 1)
    ]
    torch.testing.assert_close(both, torch.stack(each).mean())


def test_the_surest_frames_are_those_of_the_best_of_all_paths() -> None:
    log_probs = torch.randn(5, 3, generator=torch.Generator().manual_seed(4)).log_softmax(1)
    for labels in ((), (1,), (1, 1), (1, 2, 1), (2, 1)):
        paths = [path for path in product(range(3), repeat=5) if collapse_ctc_path(path) == labels]
        best = max(paths, key=lambda path: sum(float(log_probs[t, k]) for t, k in enumerate(path)))
        runs: list[float] = []
        for t, label in enumerate(best):
            if label and (t == 0 or best[t - 1] != label):
                runs.append(0.0)
            if label:
                runs[-1] = max(runs[-1], float(log_probs[t, label].exp()))
        assert label_confidences(log_probs, labels) == pytest.approx(tuple(runs))


def test_a_beam_sums_what_the_best_path_does_not() -> None:
    """Two frames: the best path is blank twice (0.36), but the paths that say "a" have 0.64 together."""
    logits = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    alphabet = Alphabet(characters="a")
    by_beam = CTCDecoder(alphabet=alphabet, beam=4).decode(logits)
    assert CTCDecoder(alphabet=alphabet).decode(logits).text == "" and by_beam.text == "a"
    assert by_beam.probabilities == pytest.approx((0.4,))


def test_the_way_of_reading_is_chosen_on_validation_and_kept(run: Path, model: Model) -> None:
    kept = json.loads((run / "bundle" / "answers.json").read_text())
    tried, decoder = kept["cer_on_validation"], model.predictor.decoder
    least = min(tried.values())
    wanted = "best_path" if tried["best_path"] == least else "beam" if tried["beam"] == least else "ngrams"
    assert (kept["beam"], "language_model" in kept) == {
        "best_path": (0, False), "beam": (16, False), "ngrams": (16, True)
    }[wanted]  # fmt: skip
    assert decoder.beam == kept["beam"] and (run / "bundle" / "ngrams.json").exists() == (decoder.ngrams is not None)
