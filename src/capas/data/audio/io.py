"""Audio files: headers, decoding to mono float32, and resampling.

Plain PCM wav (8, 16, 24 or 32 bits) is read with the standard library; every other kind (floating-point wav, flac, ogg,
mp3, aiff) by libsndfile through the package ``soundfile``, which is loaded when the first such file is met. Channels
are averaged. The length is read from the header and checked before anything is decoded, and decoding stops there.

Resampling uses the package ``soxr`` where it is installed, else our own windowed sinc: Smith, "Digital Audio
Resampling" (ccrma.stanford.edu/~jos/resample), here with a Kaiser window (β = 14.77, about −145 dB) over 64 zero
crossings and the cut-off at 0.9476 of the lower half rate, the constants of resampy's ``kaiser_best``.
"""

import importlib
import importlib.util
import math
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError

Waveform = NDArray[np.float32]
SUFFIXES: Final = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
MAX_SECONDS: Final = 600.0
ZERO_CROSSINGS: Final = 64
ROLL_OFF: Final = 0.9475937167399596
KAISER_BETA: Final = 14.769656459379492
# A writer that could not seek back, such as a pipe, leaves the largest length there is in the header.
_UNKNOWN_BYTES: Final = 0x7FFFF000


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioInfo:
    """The header of an audio file.

    Attributes:
        sample_rate: In Hz.
        channels: Number of channels.
        seconds: Duration.
        format: Format and encoding, such as "WAV PCM_16".
    """

    sample_rate: int
    channels: int
    seconds: float
    format: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioClip:
    """Decoded audio.

    Attributes:
        samples: Mono samples, float32 in about −1..1, shape (N,).
        sample_rate: In Hz, after resampling.
        info: The file's header.
    """

    samples: Waveform
    sample_rate: int
    info: AudioInfo


@runtime_checkable
class _OpenSound(Protocol):
    samplerate: int
    channels: int
    frames: int
    format: str
    subtype: str

    def read(self, frames: int, *, dtype: str, always_2d: bool) -> Waveform: ...

    def close(self) -> None: ...


class _SoundFile(Protocol):
    LibsndfileError: type[Exception]

    def SoundFile(self, file: str) -> _OpenSound: ...


class _Soxr(Protocol):
    def resample(self, x: Waveform, in_rate: float, out_rate: float, quality: str) -> Waveform: ...


def read_audio_info(path: Path) -> AudioInfo:
    """Read the header of ``path``; nothing is decoded.

    Raises:
        CapasError: ``sound_unreadable``, ``sound_empty`` or ``sound_needs_package``.
    """
    _check_there(path)
    found = _wave_info(path)
    if found is not None:
        return found
    opened = _open(path)
    try:
        return _info_of(opened)
    finally:
        opened.close()


def read_audio(path: Path, *, sample_rate: int | None = None, max_seconds: float = MAX_SECONDS) -> AudioClip:
    """Decode ``path`` to mono at ``sample_rate`` Hz (None: the file's own).

    Raises:
        CapasError: ``sound_unreadable``, ``sound_empty``, ``sound_truncated``, ``sound_too_long``,
            ``sound_not_finite``, ``sound_silent`` or ``sound_needs_package``.
    """
    if sample_rate is not None and sample_rate < 1:
        raise ValueError(f"rate is {sample_rate}; expected 1 Hz or more")
    _check_there(path)
    info = _wave_info(path)
    frames = _read_wave(path, info, max_seconds) if info is not None else None
    if info is None or frames is None:
        info, frames = _read_other(path, max_seconds)
    samples = to_mono(frames)
    _check_samples(path, samples)
    target_rate = sample_rate or info.sample_rate
    return AudioClip(samples=resample(samples, info.sample_rate, target_rate), sample_rate=target_rate, info=info)


def to_mono(frames: Waveform) -> Waveform:
    """Average frames (N, channels) over the channels, to (N)."""
    return frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1, dtype=np.float32)


def resample(samples: Waveform, source_rate: int, target_rate: int) -> Waveform:
    """Resample from ``source_rate`` to ``target_rate`` Hz, by soxr where it is installed."""
    if source_rate == target_rate:
        return samples
    if importlib.util.find_spec("soxr") is not None:
        soxr = cast("_Soxr", importlib.import_module("soxr"))
        return soxr.resample(samples, source_rate, target_rate, "HQ").astype(np.float32)
    return resample_sinc(samples, source_rate, target_rate)


def resample_sinc(samples: Waveform, source_rate: int, target_rate: int) -> Waveform:
    """Resample from ``source_rate`` to ``target_rate`` Hz by windowed sinc; returns ⌈N · target / source⌉ samples.

    With source / target = q / p in lowest terms there are only p different filters: output k takes filter k mod p.
    """
    divisor = math.gcd(source_rate, target_rate)
    p, q = target_rate // divisor, source_rate // divisor
    cutoff = ROLL_OFF * min(1.0, p / q)
    reach = math.ceil(ZERO_CROSSINGS / cutoff)
    length = -(-len(samples) * p // q)
    padded = np.pad(samples.astype(np.float64), (reach, reach + 1))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    resampled = np.empty(length, np.float32)
    offsets = np.arange(-reach, reach + 1)
    for phase in range(min(p, length)):
        # Output k lies at input time k·q/p: whole part and remainder.
        starts = np.arange(phase, length, p) * q // p
        distance = (offsets - (phase * q % p) / p).astype(np.float64)
        resampled[phase::p] = np.dot(windows[starts], _sinc_filter(distance, cutoff))
    return resampled


def _sinc_filter(distance: NDArray[np.float64], cutoff: float) -> NDArray[np.float64]:
    inside = np.clip(1 - (distance * cutoff / ZERO_CROSSINGS) ** 2, 0, None)
    window = np.i0(KAISER_BETA * np.sqrt(inside)) / np.i0(KAISER_BETA) * (inside > 0)
    weights: NDArray[np.float64] = cutoff * np.sinc(cutoff * distance) * window
    return weights


def _check_there(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CapasError("sound_unreadable", where=path, received=error.strerror or str(error)) from error
    if size == 0:
        raise CapasError("sound_empty", where=path, received="0")


def _wave_info(path: Path) -> AudioInfo | None:
    """The header of a plain PCM wav; None where the standard library does not read this file."""
    try:
        with wave.open(str(path), "rb") as stream:
            rate, frames = stream.getframerate(), stream.getnframes()
            if rate < 1:
                return None
            form = f"WAV PCM_{8 * stream.getsampwidth()}"
            return AudioInfo(sample_rate=rate, channels=stream.getnchannels(), seconds=frames / rate, format=form)
    except (wave.Error, EOFError, OSError):
        return None


def _read_wave(path: Path, info: AudioInfo, max_seconds: float) -> Waveform:
    with wave.open(str(path), "rb") as stream:
        announced, width, channels = stream.getnframes(), stream.getsampwidth(), info.channels
        streamed = announced * width * channels >= _UNKNOWN_BYTES
        if not streamed:
            _check_length(path, announced, info.sample_rate, max_seconds)
        data = stream.readframes(min(announced, int(max_seconds * info.sample_rate) + 1))
    frames = len(data) // (width * channels)
    _check_length(path, frames, info.sample_rate, max_seconds)
    if frames < announced and not streamed:
        raise CapasError(
            "sound_truncated", where=path, received=f"{frames / info.sample_rate:.2f}", seconds=f"{info.seconds:.2f}"
        )
    return _pcm(data[: frames * width * channels], width).reshape(frames, channels)


def _pcm(data: bytes, width: int) -> Waveform:
    """Little-endian PCM of ``width`` bytes a sample → −1..1; 8 bits are unsigned."""
    if width == 1:
        unsigned = np.frombuffer(data, np.uint8).astype(np.float32)
        return ((unsigned - 128) / 128).astype(np.float32)
    if width == 3:
        spread = np.zeros((len(data) // 3, 4), np.uint8)
        spread[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return (spread.view("<i4")[:, 0] / 2**31).astype(np.float32)
    whole = np.frombuffer(data, f"<i{width}").astype(np.float64)
    return (whole / float(1 << (8 * width - 1))).astype(np.float32)


def _read_other(path: Path, max_seconds: float) -> tuple[AudioInfo, Waveform]:
    opened = _open(path)
    try:
        info = _info_of(opened)
        _check_length(path, opened.frames, info.sample_rate, max_seconds)
        frames = opened.read(int(max_seconds * info.sample_rate) + 1, dtype="float32", always_2d=True)
    except (RuntimeError, OSError) as error:  # soundfile's errors are RuntimeErrors
        raise CapasError("sound_unreadable", where=path, received=str(error)) from error
    finally:
        opened.close()
    _check_length(path, len(frames), info.sample_rate, max_seconds)
    return info, frames


def _open(path: Path) -> _OpenSound:
    if importlib.util.find_spec("soundfile") is None:
        raise CapasError("sound_needs_package", where=path, received=path.suffix, package="soundfile")
    soundfile = cast("_SoundFile", importlib.import_module("soundfile"))
    try:
        return soundfile.SoundFile(str(path))
    except (RuntimeError, OSError) as error:
        raise CapasError("sound_unreadable", where=path, received=str(error)) from error


def _info_of(opened: _OpenSound) -> AudioInfo:
    rate = opened.samplerate
    form = f"{opened.format} {opened.subtype}"
    return AudioInfo(sample_rate=rate, channels=opened.channels, seconds=opened.frames / rate, format=form)


def _check_length(path: Path, frames: int, rate: int, max_seconds: float) -> None:
    if frames == 0:
        raise CapasError("sound_empty", where=path, received="0")
    if frames > max_seconds * rate:
        raise CapasError("sound_too_long", where=path, received=f"{frames / rate:.1f}", limit=f"{max_seconds:g}")


def _check_samples(path: Path, samples: Waveform) -> None:
    bad = int((~np.isfinite(samples)).sum())
    if bad:
        raise CapasError("sound_not_finite", where=path, received=bad, count=len(samples))
    if not samples.any():
        raise CapasError("sound_silent", where=path, received=len(samples))
