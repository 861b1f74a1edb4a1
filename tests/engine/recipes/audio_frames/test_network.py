"""Logits of every second frame become logits of all."""

import pytest
import torch

from capas.engine.config import Config
from capas.engine.recipes.audio_frames.network import (
    UnpaddedFrameUpsampler,
    build_network,
    new_frame_network,
    upsample_frames,
)
from capas.engine.recipes.shared.spectrograms import AudioPreparation, spectrograms_of
from tests.engine.recipes.made_work import noise

PREPARATION = AudioPreparation(rate=8000, seconds=1.0, num_mels=8)


@pytest.mark.parametrize(("frames", "expected"), [(5, [0, 2, 4, 3, 2]), (6, [0, 2, 4, 3, 2, 2])])
def test_frames_between_are_the_mean_and_the_last_repeats(frames: int, expected: list[float]) -> None:
    logits = torch.tensor([[[0.0], [4.0], [2.0]]])
    assert upsample_frames(logits, torch.tensor([3]), frames)[0, :, 0].tolist() == expected


def test_the_last_frame_of_a_shorter_recording_knows_nothing_of_the_padding() -> None:
    logits = torch.tensor([[[0.0], [4.0], [99.0]]])
    assert upsample_frames(logits, torch.tensor([2]), 6)[0, :4, 0].tolist() == [0, 2, 4, 4]


def test_company_and_export_change_no_answer() -> None:
    torch.manual_seed(0)
    network = new_frame_network(8, 3, 4, 5).eval()
    waves = [noise(1600), noise(480, 1)]
    with torch.no_grad():
        together = network(spectrograms_of(waves, PREPARATION))
        assert together.shape == (2, 21, 3)
        for row, wave, frames in zip(together, waves, (21, 7), strict=True):
            given = spectrograms_of([wave], PREPARATION)
            torch.testing.assert_close(row[:frames], network(given)[0], atol=1e-4, rtol=1e-4)
            exported = UnpaddedFrameUpsampler(network.reader)(given.values, given.lengths)
            torch.testing.assert_close(exported, network(given), atol=1e-4, rtol=1e-4)


def test_weights_follow_from_the_seed() -> None:
    def first(seed: int) -> torch.Tensor:
        made = build_network(Config().merged({"network.width": 4, "audio.n_mels": 8, "train.seed": seed}), 2)
        assert made.training
        return torch.cat([p.flatten() for p in made.parameters()])

    assert torch.equal(first(3), first(3)) and not torch.equal(first(3), first(4))
