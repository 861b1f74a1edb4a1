"""Examples as a person would look at them, where they can be shown: pictures, and sounds as spectrograms."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.engine.recipes.one_answer import Reader
from capas.engine.recipes.pictures import PictureReader
from capas.engine.recipes.sounds import SoundReader, Spectrograms
from capas.trust.blocks import Shown
from capas.trust.pixels import as_array
from capas.trust.subject import Part, Subject


def pictured(subject: Subject, part: Part, order: Tensor, captions: Sequence[str]) -> list[Shown]:
    """The examples ``order`` of ``part``; none where they are texts or rows."""
    shown = []
    for i, caption in zip(order.tolist(), captions, strict=True):
        picture = picture_of(subject.reader, part.prepared[i])
        if picture is not None:
            shown.append(Shown(picture=picture, caption=caption))
    return shown


def picture_of(reader: Reader[object], prepared: object) -> NDArray[np.uint8] | None:
    """One prepared input as uint8 H×W or H×W×3; None where it is nothing to look at."""
    if isinstance(reader, PictureReader) and isinstance(prepared, Tensor):
        return as_array(prepared)
    if isinstance(reader, SoundReader):
        collated = reader.collate([prepared])
        assert isinstance(collated, Spectrograms)
        return spectrogram_picture(collated.values[0])
    return None


def spectrogram_picture(values: Tensor) -> NDArray[np.uint8]:
    """Bands × frames, low tones below, loud bright."""
    low, high = (float(torch.quantile(values, q)) for q in (0.05, 0.995))
    shares = ((values.flip(0) - low) / max(1e-6, high - low)).clamp(0, 1)
    grey: NDArray[np.uint8] = (shares * 255).round().to(torch.uint8).numpy()
    return grey
