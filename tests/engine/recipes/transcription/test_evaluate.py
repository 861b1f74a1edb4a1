"""Error rates of transcripts by hand."""

from collections.abc import Mapping

import pytest

from capas.decoding.transcripts import Transcript
from capas.engine.recipes.transcription.evaluate import evaluate_transcripts


def value(figure: object) -> float:
    assert isinstance(figure, Mapping)
    return float(figure["value"])


def test_errors_are_of_all_lines_together() -> None:
    texts = ["a cat sat", "on"]
    said = [Transcript(text="a bat sat", probabilities=(0.5,) * 9), Transcript(text="on", probabilities=(0.5, 1.0))]
    found = evaluate_transcripts(["x", "y"], texts, said)
    # One character of 11, one word of 4, one line of two.
    assert value(found.metrics["cer"]) == pytest.approx(1 / 11, abs=1e-6)
    assert value(found.metrics["wer"]) == 0.25 and value(found.metrics["exact"]) == 0.5
    assert next(iter(found.metrics)) == "cer" and found.n == 2
    assert found.rows == [
        ["example", "text", "prediction", "probability", "errors"],
        ["x", "a cat sat", "a bat sat", "0.500000", "1"], ["y", "on", "on", "0.750000", "0"],
    ]  # fmt: skip


def test_the_baseline_reads_nothing() -> None:
    found = evaluate_transcripts(["x"] * 6, ["ab"] * 6, [Transcript(text="ab", probabilities=(1.0, 1.0))] * 6)
    nothing = found.baseline["nothing"]
    assert [value(nothing[name]) for name in ("cer", "wer", "exact")] == [1.0, 1.0, 0.0]
    assert found.beats_baselines()
