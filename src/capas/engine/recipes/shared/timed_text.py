"""What is heard, with its times, as other programs read it: SubRip (``.srt``), Audacity's labels, RTTM, CSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from capas.engine.recipe import Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedText:
    """From ``start_s`` to ``end_s`` (seconds) there is ``text``, with this ``probability`` (0..1)."""

    start_s: float
    end_s: float
    text: str
    probability: float

    def as_json(self, name: str) -> dict[str, object]:
        """For ``--json``; ``name`` is what the text is."""
        return {"start": round(self.start_s, 3), "end": round(self.end_s, 3), name: self.text,
                "probability": round(self.probability, 6)}  # fmt: skip


def to_srt(segments: Sequence[TimedText]) -> str:
    """Subtitles, numbered from 1.

    >>> print(as_srt([Timed(start_s=1.5, end_s=3661.25, text="¡Hola!", probability=1.0)]), end="")
    1
    00:00:01,500 --> 01:01:01,250
    ¡Hola!
    <BLANKLINE>
    """
    return "".join(
        f"{number}\n{_clock(one.start_s)} --> {_clock(one.end_s)}\n{one.text}\n\n"
        for number, one in enumerate(segments, 1)
    )


def _clock(seconds: float) -> str:
    minutes, thousandths = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{thousandths // 1000:02d},{thousandths % 1000:03d}"


def to_audacity(segments: Sequence[TimedText]) -> str:
    """A label a line: start TAB end TAB text."""
    return "".join(f"{one.start_s:.6f}\t{one.end_s:.6f}\t{' '.join(one.text.split())}\n" for one in segments)


def to_segment_csv(segments: Sequence[TimedText]) -> str:
    """start, end, label, probability."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["start", "end", "label", "probability"])
    writer.writerows([f"{one.start_s:.3f}", f"{one.end_s:.3f}", one.text, f"{one.probability:.6f}"] for one in segments)
    return text.getvalue()


def to_rttm(segments: Sequence[TimedText], name: str) -> str:
    """Lines of NIST's Rich Transcription format; ``name`` is the sound's. Blanks in names become underscores."""
    stem = "_".join(Path(name).stem.split()) or "sound"
    return "".join(
        f"SPEAKER {stem} 1 {one.start_s:.3f} {one.end_s - one.start_s:.3f} <NA> <NA> {'_'.join(one.text.split())} "
        f"<NA> <NA>\n"
        for one in segments
    )


def with_output_files(prediction: Prediction, texts: Mapping[str, str]) -> Prediction:
    """``prediction`` with files of these ``texts`` by ending, and one of what ``--json`` says of it."""
    whole = {**texts, ".json": json.dumps(prediction.as_json(), indent=2, ensure_ascii=False) + "\n"}
    return replace(prediction, files={ending: text.encode() for ending, text in whole.items()})
