"""A reader of lines, opened for its probabilities."""

from pathlib import Path

import numpy as np
import pytest

from capas.core.errors import CapasError
from capas.decoding.transcripts import CTCDecoder
from capas.engine.predict import load_model
from capas.engine.recipes.transcription.line_reader import LineReader
from tests.engine.recipes.test_transcription import SETTINGS, line, texts, write_lines
from tests.harness import train_here

LINES = [np.asarray(line(text)) for text in texts(5, seed=3)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    return train_here(write_lines(folder / "data"), folder / "run", {**SETTINGS, "train.epochs": 8})


@pytest.fixture(scope="module")
def reader(run: Path) -> LineReader:
    return LineReader.open(run)


def test_posteriors_are_probabilities_of_every_frame(reader: LineReader) -> None:
    for picture, posteriors in zip(LINES, reader.posteriors(LINES), strict=True):
        width = round(picture.shape[1] * reader.height / picture.shape[0])
        assert posteriors.shape == (-(-width // reader.columns), reader.alphabet.num_labels)
        np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-5)


def test_the_order_and_the_company_of_lines_do_not_matter(reader: LineReader) -> None:
    together = reader.posteriors(LINES)
    alone = [reader.posteriors([picture])[0] for picture in LINES]
    backwards = reader.posteriors(LINES[::-1])[::-1]
    for one, other, third in zip(together, alone, backwards, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
        np.testing.assert_allclose(one, third, atol=1e-5)


def test_the_best_path_is_what_the_model_reads(run: Path, reader: LineReader) -> None:
    model = load_model(run)
    model.predictor.decoder = CTCDecoder(alphabet=reader.alphabet)  # type: ignore[attr-defined]
    answers = model.predict(picture[..., None] for picture in LINES)
    for posteriors, answer in zip(reader.posteriors(LINES), answers, strict=True):
        path = posteriors.argmax(axis=1).tolist()
        kept = [label for label, before in zip(path, [0, *path], strict=False) if label and label != before]
        assert reader.alphabet.decode(kept) == answer.text


def test_the_temperature_of_the_bundle_softens(reader: LineReader) -> None:
    sure = [posteriors.max(axis=1).mean() for posteriors in reader.posteriors(LINES)]
    reader.model.temperature, kept = 4 * reader.temperature, reader.temperature
    soft = [posteriors.max(axis=1).mean() for posteriors in reader.posteriors(LINES)]
    reader.model.temperature = kept
    assert all(a > b for a, b in zip(sure, soft, strict=True))


def test_a_model_of_something_else_is_refused(finished_run: Path) -> None:
    with pytest.raises(CapasError) as refused:
        LineReader.open(finished_run)
    assert refused.value.key == "not_a_line_reader"
