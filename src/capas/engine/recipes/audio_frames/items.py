"""Reading recordings for inference."""

from pathlib import Path
from typing import Final

import numpy as np

from capas.core.errors import CapasError
from capas.data.audio.io import Waveform, read_audio
from capas.engine.recipe import Item

MAX_SECONDS: Final = 7200.0  # of what is answered; what is learnt from is held in memory


def read_recording_item(item: Item, rate: int) -> Waveform:
    """Return the samples of an item at ``rate`` Hz. Raises CapasError ``not_a_sound_array`` and those of
    ``read_audio``.
    """
    content = item.content
    if isinstance(content, np.ndarray) and content.dtype == np.float32 and content.ndim == 1 and content.size:
        return content
    if not isinstance(content, str | Path):
        raise CapasError("not_a_sound_array", where=item.name, received=type(content).__name__)
    return read_audio(Path(content), sample_rate=rate, max_seconds=MAX_SECONDS).samples
