"""A trained line recogniser, for callers that want the probabilities of every frame and not only the best
transcript.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.decoding.alphabet import Alphabet
from capas.decoding.transcripts import CTCDecoder, Transcript
from capas.engine.predict import load_model
from capas.engine.recipes.transcription.line_images import LineImageInputs
from capas.engine.recipes.transcription.predictor import TranscriptionPredictor
from capas.networks.document.crnn import COLUMNS_PER_FRAME
from capas.page_formats.normalise import NormalisationRules


@dataclass(frozen=True, kw_only=True, slots=True)
class LineReader:
    """A line recogniser.

    Attributes:
        model: The predictor.
        inputs: Preprocessing of line images.
        hash: Hash of the weights.
        columns: Columns of pixels per frame.
    """

    model: TranscriptionPredictor
    inputs: LineImageInputs
    hash: str
    columns: int = COLUMNS_PER_FRAME

    @staticmethod
    def open(where: str | Path, *, device: str = "cpu") -> "LineReader":
        """Load the reader of a run or a bundle. Raises CapasError ``not_a_line_reader``, and those of
        ``load_model``.
        """
        model = load_model(where, device=device)
        predictor = model.predictor
        if not isinstance(predictor, TranscriptionPredictor) or not isinstance(predictor.inputs, LineImageInputs):
            raise CapasError("not_a_line_reader", where=where, received=f"{model.card.task} ({model.card.medium})")
        return LineReader(model=predictor, inputs=predictor.inputs, hash=model.card.weights.hash)

    @property
    def alphabet(self) -> Alphabet:
        return self.model.alphabet

    @property
    def height(self) -> int:
        return self.inputs.height

    @property
    def temperature(self) -> float:
        """Divisor of the logits (``capas.metrics.calibration``)."""
        return self.model.temperature

    @property
    def rules(self) -> NormalisationRules:
        """Normalisation rules of the training transcripts."""
        return self.model.rules

    @property
    def decoder(self) -> CTCDecoder:
        """The decoder selected on the validation lines."""
        return self.model.decoder

    def text(self, posteriors_TK: Float[np.ndarray, "T K"]) -> Transcript:
        """Decode the posteriors (T, K) of a line."""
        return self.decoder.decode(torch.from_numpy(posteriors_TK).log())

    def posteriors(self, lines: Sequence[NDArray[np.uint8]]) -> list[Float[np.ndarray, "T K"]]:
        """Return calibrated posteriors (T, K) of each line image, float32, blank first.

        Lines are uint8 H×W, dark on light or light on dark; those of similar length are batched, and the results keep
        the order of the lines.
        """
        examples = [self.inputs.line(picture[..., None] if picture.ndim == 2 else picture) for picture in lines]
        order = sorted(range(len(lines)), key=lambda i: examples[i].shape[1])
        posteriors_by_line: dict[int, Float[np.ndarray, "T K"]] = {}
        for i, logits in zip(order, self.model.logits([examples[i] for i in order]), strict=True):
            posteriors_by_line[i] = torch.softmax(logits / self.temperature, dim=1).numpy()
        return [posteriors_by_line[i] for i in range(len(lines))]
