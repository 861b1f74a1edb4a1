"""Log-mel spectrograms of a batch of waves.

Stevens, Volkmann & Newman 1937 for the scale; here in Slaney's form ("Auditory Toolbox", 1998), as librosa has it by
default (``librosa.feature.melspectrogram(htk=False, norm="slaney", center=True, pad_mode="constant", power=2)``):

    mel(f) = 3 f / 200 below 1000 Hz,   15 + 27 · ln(f / 1000) / ln(6.4) above

One filter per band is a triangle between three neighbouring mel points, of unit area in Hz. The power spectrum is of a
periodic Hann window. Silence is padded before the first sample and behind the last by half a window, so that frame t
is centred on sample t · hop; therefore a shorter wave in a batch, padded with zeros, has the frames it has alone.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

_LINEAR_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = 15.0
_LOG_STEP = math.log(6.4) / 27
# log(10⁻¹⁰) ≈ -23: what silence becomes; librosa.power_to_db has the same floor.
POWER_FLOOR = 1e-10


@dataclass(frozen=True, kw_only=True, slots=True)
class MelConfig:
    """Parameters of the mel spectrogram. At 8 kHz a window of 256 with a hop of 80 is 32 ms every 10 ms.

    Attributes:
        sample_rate: In Hz.
        window: Window length in samples.
        hop: Hop length in samples.
        n_mels: Number of mel bands.
        low_hz: Lower end of the lowest band.
        high_hz: Upper end of the highest band; half the sample rate if None.
    """

    sample_rate: int
    window: int
    hop: int
    n_mels: int
    low_hz: float = 0.0
    high_hz: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("sample_rate", self.sample_rate), ("window", self.window), ("hop", self.hop)):
            if value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        if self.n_mels < 1:
            raise ValueError(f"n_mels is {self.n_mels}; expected 1 or more")
        if not 0 <= self.low_hz < self.top_hz <= self.sample_rate / 2:
            raise ValueError(f"low_hz is {self.low_hz}, high_hz {self.top_hz}; expected 0 ≤ low < high ≤ rate / 2")

    @property
    def top_hz(self) -> float:
        """The upper end of the highest band in Hz."""
        return self.sample_rate / 2 if self.high_hz is None else self.high_hz


def mel_spectrogram(waves: Float[Tensor, "B N"], config: MelConfig) -> Float[Tensor, "B M T"]:
    """Return the power in each band and frame: waveforms (B, N) → (B, n_mels, 1 + ⌊N / hop⌋), ≥ 0."""
    half = config.window // 2
    padded = functional.pad(waves, (half, config.window - half))
    hann = torch.hann_window(config.window, dtype=waves.dtype, device=waves.device)
    frames = padded.unfold(1, config.window, config.hop)[:, : 1 + waves.shape[1] // config.hop]
    power = torch.fft.rfft(frames * hann).abs().square()
    bands: Tensor = power @ mel_filter_bank(config).to(power).T
    return bands.transpose(1, 2)


def log_mel(waves: Float[Tensor, "B N"], config: MelConfig) -> Float[Tensor, "B M T"]:
    """Return the natural logarithm of ``mel_spectrogram``, at least ln(10⁻¹⁰); × 4.343 it is decibels."""
    return mel_spectrogram(waves, config).clamp(min=POWER_FLOOR).log()


def frame_counts(samples: Int[Tensor, " B"], config: MelConfig) -> Int[Tensor, " B"]:
    """Return the number of frames of waveforms of so many samples: 1 + ⌊N / hop⌋."""
    return 1 + samples // config.hop


def mel_filter_bank(config: MelConfig) -> Float[Tensor, "M F"]:
    """Return the triangular filters (n_mels, window // 2 + 1) over the frequencies of the spectrum, in float64."""
    low, high = hz_to_mel(torch.tensor([config.low_hz, config.top_hz], dtype=torch.float64)).tolist()
    points = mel_to_hz(torch.linspace(low, high, config.n_mels + 2, dtype=torch.float64))
    bins = torch.fft.rfftfreq(config.window, 1 / config.sample_rate, dtype=torch.float64)
    steps = points.diff()
    distance = points[:, None] - bins
    rising, falling = -distance[:-2] / steps[:-1, None], distance[2:] / steps[1:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return triangles * (2 / (points[2:] - points[:-2]))[:, None]


def hz_to_mel(hz: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Convert Hz ≥ 0 to mel."""
    logarithmic = _BREAK_MEL + (hz.clamp(min=_BREAK_HZ) / _BREAK_HZ).log() / _LOG_STEP
    return torch.where(hz < _BREAK_HZ, hz / _LINEAR_HZ_PER_MEL, logarithmic)


def mel_to_hz(mel: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Convert mel ≥ 0 to Hz."""
    exponential = _BREAK_HZ * ((mel - _BREAK_MEL).clamp(min=0) * _LOG_STEP).exp()
    return torch.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, exponential)
