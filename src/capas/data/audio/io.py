"""Audio files: headers, decoding to mono float32, and resampling.

Files (wav, flac, ogg, mp3, aiff) are decoded by libsndfile through ``soundfile``, and resampled by ``soxr``; both are
loaded when the first file is met. Channels are averaged. The length is read from the header and checked before anything
is decoded, and decoding stops there.
"""

import importlib
import os
import wave
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.files import open_regular

Waveform = NDArray[np.float32]
SUFFIXES: Final = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
MAX_SECONDS: Final = 600.0
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
        CapasError: ``sound_unreadable`` or ``sound_empty``.
    """
    _check_there(path)
    opened = _open(path)
    try:
        return _info_of(opened)
    finally:
        opened.close()


def read_audio(path: Path, *, sample_rate: int | None = None, max_seconds: float = MAX_SECONDS) -> AudioClip:
    """Decode ``path`` to mono at ``sample_rate`` Hz (None: the file's own).

    Raises:
        CapasError: ``sound_unreadable``, ``sound_empty``, ``sound_truncated``, ``sound_too_long``,
            ``sound_not_finite`` or ``sound_silent``.
    """
    if sample_rate is not None and sample_rate < 1:
        raise ValueError(f"rate is {sample_rate}; expected 1 Hz or more")
    _check_there(path)
    info, frames = _decode(path, max_seconds)
    samples = to_mono(frames)
    _check_samples(path, samples)
    target_rate = sample_rate or info.sample_rate
    return AudioClip(samples=resample(samples, info.sample_rate, target_rate), sample_rate=target_rate, info=info)


def to_mono(frames: Waveform) -> Waveform:
    """Average frames (N, channels) over the channels, to (N)."""
    return frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1, dtype=np.float32)


def resample(samples: Waveform, source_rate: int, target_rate: int) -> Waveform:
    """Resample from ``source_rate`` to ``target_rate`` Hz, in soxr's high quality."""
    if source_rate == target_rate:
        return samples
    soxr = cast("_Soxr", importlib.import_module("soxr"))
    return soxr.resample(samples, source_rate, target_rate, "HQ").astype(np.float32)


def _check_there(path: Path) -> None:
    try:
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise CapasError("sound_unreadable", where=path, received=error.strerror or str(error)) from error
    if size == 0:
        raise CapasError("sound_empty", where=path, received="0")


def _decode(path: Path, max_seconds: float) -> tuple[AudioInfo, Waveform]:
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
    announced = _announced_frames(path)
    if announced is not None and len(frames) < announced:
        received, seconds = len(frames) / info.sample_rate, announced / info.sample_rate
        raise CapasError("sound_truncated", where=path, received=f"{received:.2f}", seconds=f"{seconds:.2f}")
    # What was read, not what the header says: a stream's header holds a placeholder.
    return replace(info, seconds=len(frames) / info.sample_rate), frames


def _announced_frames(path: Path) -> int | None:
    """The length in the header of a plain PCM wav, which libsndfile cuts to what is there; None for other files, and
    for what was written into a pipe."""
    try:
        with wave.open(str(path), "rb") as stream:
            frames = stream.getnframes()
            return None if frames * stream.getsampwidth() * stream.getnchannels() >= _UNKNOWN_BYTES else frames
    except (wave.Error, EOFError, OSError):
        return None


def _open(path: Path) -> _OpenSound:
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
