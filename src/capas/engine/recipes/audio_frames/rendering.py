"""Predictions of audio segmentation models: on screen, as JSON and as files."""

from collections.abc import Sequence
from typing import Final

from jaxtyping import Float
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.data.audio.segments import NO_CLASS, Segment
from capas.decoding.label_runs import BACKGROUND, label_runs, mean_run_probability, smoothed_best_path
from capas.engine.recipe import Prediction
from capas.engine.recipes.shared.timed_text import (
    TimedText,
    to_audacity,
    to_rttm,
    to_segment_csv,
    to_srt,
    with_output_files,
)

MAX_SHOWN: Final = 12


def timed_segments(
    probabilities: Float[Tensor, "T K"], classes: Sequence[str], min_duration: int, hop_s: float, seconds: float
) -> list[TimedText]:
    """Return the segments of a recording of ``seconds``, without those of the background.

    Args:
        probabilities: Of every frame, shape (T, K).
        classes: Class names, the background first.
        min_duration: Least length of a segment in frames.
        hop_s: Seconds between frames.
        seconds: Duration of the recording.
    """
    return [
        TimedText(
            start_s=run.start * hop_s, end_s=min(seconds, run.end * hop_s), text=classes[run.label],
            probability=mean_run_probability(probabilities, run),
        )
        for run in label_runs(smoothed_best_path(probabilities, min_duration))
        if run.label != BACKGROUND and run.start * hop_s < seconds
    ]  # fmt: skip


def segments_prediction(name: str, segments_found: Sequence[TimedText], seconds: float) -> Prediction:
    """Return the prediction for one recording, with output files as CSV, Audacity labels, RTTM, SRT and JSON."""
    segments = [one.as_json("label") for one in segments_found]
    answer = Prediction(
        input=name, prediction=[one.text for one in segments_found], text=segments_text(segments_found),
        facts={"seconds": round(seconds, 3), "segments": segments},
    )  # fmt: skip
    texts = {
        ".csv": to_segment_csv(segments_found),
        ".txt": to_audacity(segments_found),
        ".rttm": to_rttm(segments_found, name),
    }
    return with_output_files(answer, {**texts, ".srt": to_srt(segments_found)})


def segments_text(segments_found: Sequence[TimedText]) -> str:
    """Return the first dozen segments for the screen."""
    if not segments_found:
        return say("segments.nothing")
    rendered = [
        say("segments.one", start=format_decimal(one.start_s, 2), end=format_decimal(one.end_s, 2), label=one.text)
        for one in segments_found[:MAX_SHOWN]
    ]
    more = [say("segments.more", count=len(segments_found) - MAX_SHOWN)] if len(segments_found) > MAX_SHOWN else []
    return " · ".join([*rendered, *more])


def segments_cell(segments: Sequence[Segment]) -> str:
    """Return segments as a cell of ``predictions.csv``: "0.50-1.20 speech; …"."""
    return "; ".join(f"{one.start_s:.2f}-{one.end_s:.2f} {one.label}" for one in segments if one.label != NO_CLASS)


def segments_of(path: Sequence[int], classes: Sequence[str], hop_s: float) -> list[Segment]:
    """Return the runs of a path of classes as segments, background included."""
    return [
        Segment(start_s=run.start * hop_s, end_s=run.end * hop_s, label=classes[run.label]) for run in label_runs(path)
    ]  # fmt: skip
