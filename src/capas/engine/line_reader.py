"""A finished model that reads lines, for who wants its probabilities of every frame and not only its best reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.engine.predict import load_model
from capas.engine.recipes.reading_sides import LineSide
from capas.engine.recipes.transcription import TranscriptionModel
from capas.networks.crnn import COLUMNS_PER_FRAME
from capas.pages.normalise import Rules
from capas.tasks.transcribe import Alphabet, Decoder, Transcript


@dataclass(frozen=True, kw_only=True, slots=True)
class LineReader:
    """``height`` of the lines it wants in pixels, ``hash`` of its weights; a frame stands for ``columns`` of them."""

    model: TranscriptionModel
    side: LineSide
    hash: str
    columns: int = COLUMNS_PER_FRAME

    @staticmethod
    def open(where: str | Path, *, device: str = "cpu") -> "LineReader":
        """The reader of a run or a bundle. Raises CapasError ``not_a_line_reader``, and those of ``load_model``."""
        model = load_model(where, device=device)
        answering = model.answering
        if not isinstance(answering, TranscriptionModel) or not isinstance(answering.side, LineSide):
            raise CapasError("not_a_line_reader", where=where, received=f"{model.card.task} ({model.card.medium})")
        return LineReader(model=answering, side=answering.side, hash=model.card.weights.hash)

    @property
    def alphabet(self) -> Alphabet:
        return self.model.alphabet

    @property
    def height(self) -> int:
        return self.side.height

    @property
    def temperature(self) -> float:
        """By which its logits are divided (``tasks.calibration``)."""
        return self.model.temperature

    @property
    def rules(self) -> Rules:
        """By which the transcripts that it learnt from were normalised."""
        return self.model.rules

    @property
    def decoder(self) -> Decoder:
        """How its probabilities become text: as was best on its validation lines."""
        return self.model.decoder

    def text(self, posteriors_TK: Float[np.ndarray, "T K"]) -> Transcript:
        """What a line says by its ``posteriors``."""
        return self.decoder.read(torch.from_numpy(posteriors_TK).log())

    def posteriors(self, lines: Sequence[NDArray[np.uint8]]) -> list[Float[np.ndarray, "T K"]]:
        """The calibrated probabilities of every frame of each line (uint8 H×W, dark on light or light on dark),
        float32, blank first. Lines of like length are read together; the order of the answers is that of the lines."""
        examples = [self.side.line(picture[..., None] if picture.ndim == 2 else picture) for picture in lines]
        order = sorted(range(len(lines)), key=lambda i: examples[i].shape[1])
        found: dict[int, Float[np.ndarray, "T K"]] = {}
        for i, logits in zip(order, self.model.logits([examples[i] for i in order]), strict=True):
            found[i] = torch.softmax(logits / self.temperature, dim=1).numpy()
        return [found[i] for i in range(len(lines))]
