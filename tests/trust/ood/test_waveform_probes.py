"""Probes of sounds: as long as each, noise as loud, nothing at all, and the same backwards."""

import numpy as np
import pytest
import torch

from capas.trust.ood.waveform_probes import waveform_probes
from tests.trust.made_models import tone

WAVES = [tone(440, 0.5, loudness=0.8), tone(200, 0.25, loudness=0.01), np.zeros(100, np.float32)]


def test_each_probe_is_what_it_says() -> None:
    made = waveform_probes(WAVES, torch.Generator().manual_seed(0))
    assert list(made) == ["noise", "silence", "backwards"]
    for probes in made.values():
        assert all(isinstance(one, np.ndarray) and one.dtype == np.float32 for one in probes)
        assert [len(one) for one in probes if isinstance(one, np.ndarray)] == [len(wave) for wave in WAVES]
    for wave, noise, silence, backwards in zip(WAVES, *made.values(), strict=True):
        assert isinstance(noise, np.ndarray) and isinstance(backwards, np.ndarray)
        assert float(np.std(noise)) == pytest.approx(float(np.sqrt(np.mean(wave**2))), rel=0.1)
        assert not np.any(silence) and np.array_equal(backwards[::-1], wave)


def test_the_noise_follows_the_generator() -> None:
    noise = [waveform_probes(WAVES, torch.Generator().manual_seed(seed))["noise"] for seed in (0, 0, 1)]
    assert np.array_equal(noise[0][0], noise[1][0]) and not np.array_equal(noise[0][0], noise[2][0])
    # No two inputs get the same.
    assert abs(np.corrcoef(noise[0][0][:2000], noise[0][1])[0, 1]) < 0.1  # type: ignore[index]
