"""Plain measures of images and sounds: what can be measured without understanding them.

Shapes: images (N, C, H, W) in 0..1; a sound (S,) in −1..1.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

_INK: Final = 0.25  # difference from the median brightness that is ink, or light, on a ground
_WINDOW: Final = 256
_QUIET_DB: Final = -100.0


def image_measures(images: Float[Tensor, "N C H W"]) -> Mapping[str, Float[Tensor, " N"]]:
    """Return brightness, contrast, edges, ink and colour, all 0..1, and the width of strokes in pixels.

    Ink is the share of the pixels that differ from the median; the width of its strokes is twice its area over its
    border.
    """
    grey = images.mean(1)
    across, down = (grey.diff(dim=axis).abs() for axis in (2, 1))
    ink = (grey - grey.flatten(1).median(1).values[:, None, None]).abs() > _INK
    border = (ink[:, 1:] != ink[:, :-1]).sum((1, 2)) + (ink[:, :, 1:] != ink[:, :, :-1]).sum((1, 2))
    area = ink.sum((1, 2))
    return {
        "brightness": grey.mean((1, 2)),
        "contrast": grey.flatten(1).std(1),
        "edges": across.mean((1, 2)) + down.mean((1, 2)),
        "ink": area / ink[0].numel(),
        "stroke": 2 * area / border.clamp(min=1),
        "colour": (images.amax(1) - images.amin(1)).mean((1, 2)),
    }


def sound_measures(waves: Sequence[NDArray[np.float32]], rate: int) -> Mapping[str, Float[Tensor, " N"]]:
    """Return of waveforms at ``rate`` samples/s their length in seconds, loudness in dB, centre and width of the
    spectrum in Hz, the share of their energy above 2 kHz, and their pace: how much the spectrum changes, 1/s.
    """
    rows = [_sound_measures(torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32)), rate) for wave in waves]
    names = ("seconds", "loudness", "pitch_centre", "pitch_width", "high_share", "pace")
    return dict(zip(names, torch.tensor(rows).view(-1, len(names)).T, strict=True))


def _sound_measures(wave: Tensor, rate: int) -> list[float]:
    seconds = len(wave) / rate
    power = float(wave.square().mean()) if len(wave) else 0.0
    if power < 1e-10 or len(wave) < _WINDOW:
        return [seconds, _QUIET_DB, 0.0, 0.0, 0.0, 0.0]
    # Without padding by reflection, which a click at the start would double.
    spectrum = torch.stft(wave, _WINDOW, _WINDOW // 2, window=torch.hann_window(_WINDOW), center=False,
                          return_complex=True).abs().square()  # fmt: skip
    hz = torch.linspace(0, rate / 2, len(spectrum))
    whole = spectrum.sum(1) / spectrum.sum().clamp(min=1e-12)
    centre = float(whole @ hz)
    width = float((whole @ (hz - centre).square()).sqrt())
    shapes = spectrum / spectrum.sum(0).clamp(min=1e-12)
    change = shapes.diff(dim=1).abs().sum(0) / 2  # 0..1, total variation between neighbouring frames
    pace = float(change.mean()) * rate / (_WINDOW // 2) if shapes.shape[1] > 1 else 0.0
    return [seconds, 10 * float(np.log10(power)), centre, width, float(whole[hz > 2000].sum()), pace]
