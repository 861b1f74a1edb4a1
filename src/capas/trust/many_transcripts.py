"""Lines of writing and sounds of speech with their transcripts, questioned line by line.

The statement about a line is the probability of all of it, as ``predict`` gives it, and it is true where every
character is right. The probability left to the given text is that of CTC, by character (its geometric mean).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from capas.data.inputs import Inputs, Texts
from capas.engine.recipes.reading_sides import SoundSide
from capas.engine.recipes.sounds import spectrograms_of
from capas.engine.recipes.transcription import TranscriptionModel, logits_of
from capas.tasks.ctc import frames_needed
from capas.tasks.transcribe import composed
from capas.trust.many import Answered, Doubt, Kind, LastLinear, Sensed, Statements
from capas.trust.many_sounds import PLAIN, strange_waves
from capas.trust.pictured import spectrogram_picture
from capas.trust.pixels import as_prepared
from capas.trust.probes import PROBES, TILES

WINDOWS: Final = 8
SQUARENESS: Final = 2  # a window is so many times as wide as it is high


class TranscriptSense:
    """``Sensing`` of lines and sounds of speech."""

    def __init__(self, model: TranscriptionModel) -> None:
        self.model = model

    @property
    def _sounds(self) -> bool:
        return isinstance(self.model.side, SoundSide)

    def logits(self, example: Tensor) -> Float[Tensor, "T K"]:
        """Of every frame of a line or sound."""
        return logits_of(self.model.network, self.model.side.collate([example]), PLAIN)[0]

    @torch.no_grad()
    def sensed(self, prepared: object) -> Sensed:
        """``features``: the mean over the frames of what the LSTM makes of them; ``views`` of a line: windows of it."""
        example = _values(prepared)
        with LastLinear(self.model.network) as last:
            self.logits(example)
            return Sensed(features=last.features(), views=None if self._sounds else windows(example),
                          whole=False)  # fmt: skip

    def strange(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        examples = [_values(one) for one in prepared]
        if self._sounds:
            waves = strange_waves([example.numpy() for example in examples], rng)
            return {name: [_heard(wave) for wave in held] for name, held in waves.items()}
        return {
            name: [
                Example(values=as_prepared(probe(line[None, None].float() / 255, rng))[0][0])
                for line in examples
                if min(line.shape) >= TILES
            ]
            for name, probe in PROBES.items()
        }

    def picture(self, prepared: object) -> NDArray[np.uint8]:
        example, side = _values(prepared), self.model.side
        if isinstance(side, SoundSide):
            return spectrogram_picture(spectrograms_of([example.numpy()], side.preparation).values[0])
        shown: NDArray[np.uint8] = 255 - example.numpy()
        return shown


class TranscriptAnswers:
    """``ManyAnswers`` of transcripts."""

    kind: Kind = "transcripts"
    most: int = 400

    def __init__(self, model: TranscriptionModel, inputs: Inputs, texts: Inputs | None) -> None:
        assert isinstance(texts, Texts)
        self.model = model
        self.sense = TranscriptSense(model)
        self.inputs = inputs
        self.texts = texts

    def prepared(self, index: int) -> "Example":
        return Example(values=self.model.side.read_example(self.inputs, index))

    def answered(self, index: int, position: int, rng: torch.Generator) -> Answered:
        logits = self.sense.logits(self.model.side.read_example(self.inputs, index))
        found, given = self.model.decoder.read(logits), composed(self.model.rules.applied(self.texts.texts[index]))
        statements = Statements(stated=torch.tensor([found.probability]), true=torch.tensor([found.text == given]))
        doubt = Doubt(position=position, place="", given=given, likely=found.text,
                      probability=self._believed(logits, given))  # fmt: skip
        return Answered(statements=statements, doubts=(doubt,))

    def doubted(self, index: int, doubt: Doubt) -> NDArray[np.float32] | None:
        return None

    def _believed(self, logits: Tensor, text: str) -> float:
        labels = self.model.alphabet.labels(text)
        if not len(labels) or frames_needed(labels) > len(logits):
            return 0.0
        loss = functional.ctc_loss(
            logits.log_softmax(1)[:, None], torch.as_tensor(labels)[None], torch.tensor([len(logits)]),
            torch.tensor([len(labels)]), reduction="sum",
        )  # fmt: skip
        return math.exp(-float(loss) / len(labels))


@runtime_checkable
class _Holding(Protocol):
    """What the model's ``read`` gives: an example in ``values``."""

    @property
    def values(self) -> Tensor:
        """A line (H, W) or the samples of a sound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """The same, made here."""

    values: Tensor


def _values(prepared: object) -> Tensor:
    assert isinstance(prepared, _Holding)
    return prepared.values


def _heard(wave: object) -> Example:
    assert isinstance(wave, np.ndarray)
    return Example(values=torch.from_numpy(wave))


def windows(line: UInt8[Tensor, "H W"]) -> Float[Tensor, "V 1 H w"]:
    """At most eight windows, twice as wide as high, evenly over a line; ground behind its end. In 0..1."""
    height, width = line.shape
    wide = SQUARENESS * height
    count = min(WINDOWS, max(1, round(width / wide)))
    whole = functional.pad(line.float() / 255, (0, max(0, wide - width)))
    starts = torch.linspace(0, whole.shape[1] - wide, count).round().long().tolist()
    return torch.stack([whole[None, :, start : start + wide] for start in starts])
