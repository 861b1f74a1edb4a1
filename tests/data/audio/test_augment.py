"""Sounds varied: by the generator alone, within the limits, and in nothing else."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from capas.data.audio.augment import (
    AudioAugmentation,
    add_white_noise,
    augment_spectrograms,
    augment_waveforms,
    mask_frequency,
    mask_time,
    random_gain,
    random_time_shift,
)

ALL = AudioAugmentation(shift=0.1, gain_db=6, lowest_snr_db=10, time_mask=0.3, frequency_mask=0.3, masks=2)


def chance(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "vary",
    [
        lambda x, g: augment_waveforms(x[:, 0], ALL, g),
        lambda x, g: augment_spectrograms(x, ALL, g, torch.tensor([20, 7, 15, 1])),
    ],
)
def test_the_generator_alone_decides_and_nothing_is_changed_in_place(
    vary: Callable[[Tensor, torch.Generator], Tensor],
) -> None:
    given = torch.randn(4, 8, 20)
    before = given.clone()
    first = vary(given, chance())
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert torch.equal(vary(given, chance()), first)
    assert not torch.equal(vary(given, chance(4)), first)
    assert torch.equal(given, before) and torch.equal(state, torch.get_rng_state())


def test_a_shift_moves_each_wave_by_its_own_way_and_lets_silence_in() -> None:
    waves = torch.arange(1.0, 41.0).expand(50, 40)
    shifted = random_time_shift(waves, 0.25, chance())
    ways = set()
    for wave in shifted:
        inside = wave.nonzero()[:, 0]
        way = int(inside[0] - (wave[inside[0]] - 1))
        expected = torch.zeros(40)
        source = slice(max(0, -way), 40 - max(0, way))
        expected[max(0, way) : 40 - max(0, -way)] = waves[0, source]
        assert torch.equal(wave, expected)
        ways.add(way)
    assert min(ways) >= -10 and max(ways) <= 10 and len(ways) > 10


def test_gain_stays_within_its_decibels() -> None:
    factors = random_gain(torch.ones(2000, 1), 6, chance())[:, 0]
    decibels = 20 * factors.log10()
    assert decibels.abs().max() <= 6 and decibels.min() < -5.8 and decibels.max() > 5.8
    assert abs(float(decibels.mean())) < 0.3


@pytest.mark.parametrize("ratio_db", [-5.0, 10.0, 30.0])
def test_noise_has_the_ratio_asked_for(ratio_db: float) -> None:
    waves = torch.sin(torch.arange(20_000) / 7).expand(3, -1) * torch.tensor([[0.01], [1.0], [0.0]])
    noise = add_white_noise(waves, ratio_db, ratio_db, chance()) - waves
    found = 10 * (waves[:2].square().mean(1) / noise[:2].square().mean(1)).log10()
    assert found.tolist() == pytest.approx([ratio_db] * 2, abs=0.2)
    assert not noise[2].any()


def test_one_stretch_of_time_is_hidden_within_each_sounds_length() -> None:
    spectrograms = torch.randn(200, 5, 30)
    lengths = torch.randint(1, 31, (200,))
    masked = mask_time(spectrograms, 0.4, chance(), lengths)
    longest = 0
    for sound, before, length in zip(masked, spectrograms, lengths.tolist(), strict=True):
        changed = (sound != before).any(0).nonzero()[:, 0].tolist()
        assert len(changed) <= 0.4 * length
        assert changed == list(range(changed[0], changed[0] + len(changed))) if changed else True
        assert all(place < length for place in changed)
        if changed:
            assert torch.allclose(sound[:, changed], before[:, :length].mean(), atol=1e-5)
            longest = max(longest, len(changed))
    assert longest >= 10


def test_one_stretch_of_bands_is_hidden_over_all_time() -> None:
    spectrograms = torch.randn(100, 10, 6)
    masked = mask_frequency(spectrograms, 0.5, chance())
    changed = masked != spectrograms
    assert torch.equal(changed.any(2), changed.all(2))
    counts = changed.all(2).sum(1)
    assert set(counts.tolist()) == {0, 1, 2, 3, 4, 5}


def test_what_is_switched_off_changes_nothing() -> None:
    given = torch.randn(2, 4, 9)
    off = AudioAugmentation()
    assert torch.equal(augment_waveforms(given[:, 0], off, chance()), given[:, 0])
    assert torch.equal(augment_spectrograms(given, off, chance()), given)


@pytest.mark.parametrize("wrong", [{"shift": 1.0}, {"gain_db": -1.0}, {"time_mask": -0.1}, {"masks": -1}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AudioAugmentation(**wrong)
