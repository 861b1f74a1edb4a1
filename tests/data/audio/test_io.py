"""Sounds on disk: every depth of PCM, what is broken, resampling; other formats."""

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from capas.core.errors import CapasError
from capas.data.audio.io import read_audio, read_audio_info, resample, to_mono


def tone(seconds: float = 0.1, rate: int = 8000, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write(path: Path, samples: np.ndarray, *, width: int = 2, channels: int = 1, rate: int = 8000) -> Path:
    """``samples`` −1..1 (interleaved) as PCM of ``width`` bytes."""
    whole = np.round(samples.astype(np.float64) * (2 ** (8 * width - 1) - 1)).astype(np.int64)
    data = b"".join(int(v + 128 if width == 1 else v).to_bytes(width, "little", signed=width > 1) for v in whole)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(channels)
        stream.setsampwidth(width)
        stream.setframerate(rate)
        stream.writeframes(data)
    return path


def write_float(path: Path, samples: np.ndarray) -> Path:
    data = samples.astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, 8000, 32000, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.parametrize(("width", "step"), [(1, 1 / 127), (2, 1e-4), (3, 1e-6), (4, 1e-6)])
def test_pcm_of_every_depth_comes_back(width: int, step: float, tmp_path: Path) -> None:
    found = read_audio(write(tmp_path / "a.wav", tone(), width=width))
    assert found.samples.dtype == np.float32 and found.sample_rate == 8000
    assert np.abs(found.samples - tone()).max() <= step
    assert found.info == read_audio_info(tmp_path / "a.wav")
    assert (found.info.channels, found.info.seconds, found.info.format) == (
        1,
        0.1,
        "WAV PCM_U8" if width == 1 else f"WAV PCM_{8 * width}",
    )


def test_channels_are_averaged(tmp_path: Path) -> None:
    both = np.stack([tone(), np.zeros_like(tone())], 1)
    assert np.allclose(to_mono(both), tone() / 2)
    found = read_audio(write(tmp_path / "stereo.wav", both.ravel(), channels=2))
    assert found.info.channels == 2
    assert np.abs(found.samples - tone() / 2).max() < 1e-4


def test_what_is_broken_is_said(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.wav", tone()).read_bytes()
    cases = {
        "missing": (None, "sound_unreadable"),
        "empty": (b"", "sound_empty"),
        "cut": (whole[:-400], "sound_truncated"),
        "header": (whole[:44], "sound_empty"),
    }
    for name, (content, key) in cases.items():
        path = tmp_path / f"{name}.wav"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CapasError) as caught:
            read_audio(path)
        assert caught.value.key == key, name
        assert str(path) in str(caught.value) and "{" not in str(caught.value)
    silent = write(tmp_path / "silent.wav", np.zeros(100))
    with pytest.raises(CapasError) as caught:
        read_audio(silent)
    assert caught.value.key == "sound_silent"


def test_too_long_is_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "long.wav", tone(0.5))
    assert len(read_audio(path, max_seconds=0.5).samples) == 4000
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(CapasError) as caught:
        read_audio(path, max_seconds=0.49)
    assert caught.value.key == "sound_too_long"
    assert "0.5 s" in str(caught.value) and "0.49 s" in str(caught.value)


def test_a_wav_written_into_a_pipe_has_no_length_and_is_read(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "a.wav", tone()).read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path = tmp_path / "piped.wav"
    path.write_bytes(content)
    assert np.abs(read_audio(path).samples - tone()).max() < 1e-4
    with pytest.raises(CapasError) as caught:
        read_audio(path, max_seconds=0.05)
    assert caught.value.key == "sound_too_long"


@pytest.mark.parametrize(("suffix", "step"), [("wav", 1e-6), ("flac", 1e-4), ("ogg", 0.05), ("mp3", 0.05)])
def test_other_formats_through_soundfile(suffix: str, step: float, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    samples = tone(1.0, 16000)
    soundfile.write(path, samples, 16000, subtype="FLOAT" if suffix == "wav" else None)
    found = read_audio(path)
    assert found.sample_rate == 16000 and found.info.channels == 1
    assert abs(found.info.seconds - 1.0) < 0.1
    middle = slice(4000, 12000)
    assert np.sqrt(np.mean((found.samples[middle] - samples[middle]) ** 2)) < step
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(CapasError) as caught:
        read_audio(path)
    assert caught.value.key in ("sound_unreadable", "sound_empty")


def test_samples_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    samples = tone()
    samples[3:5] = np.nan, np.inf
    with pytest.raises(CapasError) as caught:
        read_audio(write_float(tmp_path / "nan.wav", samples))
    assert caught.value.key == "sound_not_finite"
    assert "2 of the 800" in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after"), [(8000, 16000), (16000, 8000), (44100, 16000), (11025, 8000), (8000, 8000)]
)
def test_a_tone_resampled_is_the_tone(before: int, after: int) -> None:
    found = resample(tone(0.5, before), before, after)
    expected = tone(0.5, after)
    assert abs(len(found) - len(expected)) <= 1
    middle = slice(after // 10, 4 * after // 10)
    assert np.abs(found[middle] - expected[middle]).max() < 1e-4


def test_resampling_keeps_out_what_the_new_rate_cannot_hold() -> None:
    high = tone(0.5, 16000, 5000.0)  # would fold to 3,000 Hz
    assert np.abs(resample(high, 16000, 8000)[500:3500]).max() < 1e-4


def test_read_at_another_rate(tmp_path: Path) -> None:
    found = read_audio(write(tmp_path / "a.wav", tone(0.5)), sample_rate=16000)
    assert (found.sample_rate, found.info.sample_rate, len(found.samples)) == (16000, 8000, 8000)
    with pytest.raises(ValueError, match="rate"):
        read_audio(tmp_path / "a.wav", sample_rate=0)
