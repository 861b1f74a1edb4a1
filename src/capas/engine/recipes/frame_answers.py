"""What a model of frames is asked, and how it answers: sounds in, segments out, on screen, as JSON and as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.figures import decimal
from capas.core.messages import say
from capas.data.segments import NONE, Segment
from capas.data.sound import Samples, read_sound
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.subtitles import Timed, as_audacity, as_csv, as_rttm, as_srt, with_files
from capas.tasks.events import NOTHING, best_path, run_probability, runs

LONGEST_S: Final = 7200.0  # of what is answered; what is learnt from is held in memory
SHOWN: Final = 12


def read_whole(item: Item, rate: int) -> Samples:
    """The samples of an item at ``rate`` Hz. Raises CapasError ``not_a_sound_array`` and those of ``read_sound``."""
    content = item.content
    if isinstance(content, np.ndarray) and content.dtype == np.float32 and content.ndim == 1 and content.size:
        return content
    if not isinstance(content, str | Path):
        raise CapasError("not_a_sound_array", where=item.name, received=type(content).__name__)
    return read_sound(Path(content), rate=rate, max_seconds=LONGEST_S).samples


def timed_segments(
    probabilities: Float[Tensor, "T K"], classes: Sequence[str], shortest: int, hop_s: float, seconds: float
) -> list[Timed]:
    """The segments of a sound that lasts ``seconds``, without those of nothing."""
    return [
        Timed(
            start_s=run.start * hop_s, end_s=min(seconds, run.end * hop_s), text=classes[run.number],
            probability=run_probability(probabilities, run),
        )
        for run in runs(best_path(probabilities, shortest))
        if run.number != NOTHING and run.start * hop_s < seconds
    ]  # fmt: skip


def prediction_of(name: str, found: Sequence[Timed], seconds: float) -> Prediction:
    """The answer for one sound: its segments, and the files that hold them."""
    segments = [one.as_json("label") for one in found]
    answer = Prediction(
        input=name, prediction=[one.text for one in found], text=told(found),
        facts={"seconds": round(seconds, 3), "segments": segments},
    )  # fmt: skip
    texts = {".csv": as_csv(found), ".txt": as_audacity(found), ".rttm": as_rttm(found, name)}
    return with_files(answer, {**texts, ".srt": as_srt(found)})


def told(found: Sequence[Timed]) -> str:
    """Segments for the screen, the first dozen of them."""
    if not found:
        return say("segments.nothing")
    shown = [
        say("segments.one", start=decimal(one.start_s, 2), end=decimal(one.end_s, 2), label=one.text)
        for one in found[:SHOWN]
    ]
    more = [say("segments.more", count=len(found) - SHOWN)] if len(found) > SHOWN else []
    return " · ".join([*shown, *more])


def written(segments: Sequence[Segment]) -> str:
    """Segments in a cell of ``predictions.csv``: "0.50-1.20 speech; …"."""
    return "; ".join(f"{one.start_s:.2f}-{one.end_s:.2f} {one.label}" for one in segments if one.label != NONE)


def segments_of(path: Sequence[int], classes: Sequence[str], hop_s: float) -> list[Segment]:
    """The runs of a path as segments, those of nothing too."""
    return [
        Segment(start_s=run.start * hop_s, end_s=run.end * hop_s, label=classes[run.number]) for run in runs(path)
    ]  # fmt: skip
