"""Test metrics of transcription: character and word error rates, exact lines."""

from collections.abc import Sequence

from capas.decoding.transcripts import Transcript
from capas.engine.recipe import TestResult
from capas.metrics.edit_distance import character_error_rate, count_edits, word_error_rate
from capas.metrics.rate import rate


def evaluate_transcripts(names: Sequence[str], texts: Sequence[str], predicted: Sequence[Transcript]) -> TestResult:
    """Return error rates over all lines; the baseline reads nothing, so that every character is wrong."""
    found = [transcript.text for transcript in predicted]
    rows = [["example", "text", "prediction", "probability", "errors"]]
    for name, text, one in zip(names, texts, predicted, strict=True):
        rows.append([name, text, one.text, f"{one.probability:.6f}", str(count_edits(text, one.text).distance)])
    metrics: dict[str, object] = {
        "cer": character_error_rate(texts, found).as_json(),
        "wer": word_error_rate(texts, found).as_json(),
        "exact": rate(sum(a == b for a, b in zip(texts, found, strict=True)), len(texts)).as_json(),
    }
    nothing = {name: {"value": value, "n": len(texts), "interval": [value, value]}
               for name, value in (("cer", 1.0), ("wer", 1.0), ("exact", 0.0))}  # fmt: skip
    return TestResult(n=len(texts), metrics=metrics, baseline={"nothing": nothing}, rows=rows)
