"""Time-stamped text, and the formats other programs read: SubRip (``.srt``), Audacity labels, RTTM, CSV."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from capas.core.inert_text import InertWriter
from capas.engine.recipe import Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedText:
    """A segment with its text.

    Attributes:
        start_s: Start in seconds.
        end_s: End in seconds.
        text: Word, subtitle or label.
        probability: Its probability, in [0, 1].
    """

    start_s: float
    end_s: float
    text: str
    probability: float

    def as_json(self, name: str) -> dict[str, object]:
        """Return the form of ``--json``; ``name`` is the key of the text."""
        return {"start": round(self.start_s, 3), "end": round(self.end_s, 3), name: self.text,
                "probability": round(self.probability, 6)}  # fmt: skip


def to_srt(segments: Sequence[TimedText]) -> str:
    """Return SubRip subtitles, numbered from 1.

    >>> print(to_srt([TimedText(start_s=1.5, end_s=3661.25, text="¡Hola!", probability=1.0)]), end="")
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
    """Return an Audacity label track: start TAB end TAB text, one per line."""
    return "".join(f"{one.start_s:.6f}\t{one.end_s:.6f}\t{' '.join(one.text.split())}\n" for one in segments)


def to_segment_csv(segments: Sequence[TimedText]) -> str:
    """Return a CSV table with the columns start, end, label, probability."""
    text = io.StringIO()
    writer = InertWriter(text)
    writer.writerow(["start", "end", "label", "probability"])
    writer.writerows([f"{one.start_s:.3f}", f"{one.end_s:.3f}", one.text, f"{one.probability:.6f}"] for one in segments)
    return text.getvalue()


def to_rttm(segments: Sequence[TimedText], name: str) -> str:
    """Return lines of NIST's Rich Transcription Time Marked format; ``name`` is the audio file. Blanks become
    underscores.
    """
    stem = "_".join(Path(name).stem.split()) or "sound"
    return "".join(
        f"SPEAKER {stem} 1 {one.start_s:.3f} {one.end_s - one.start_s:.3f} <NA> <NA> {'_'.join(one.text.split())} "
        f"<NA> <NA>\n"
        for one in segments
    )


def with_output_files(prediction: Prediction, texts: Mapping[str, str]) -> Prediction:
    """Return ``prediction`` with output files of these ``texts`` by ending, and a ``.json`` file."""
    whole = {**texts, ".json": json.dumps(prediction.as_json(), indent=2, ensure_ascii=False) + "\n"}
    return replace(prediction, files={ending: text.encode() for ending, text in whole.items()})
