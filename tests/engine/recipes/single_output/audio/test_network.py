"""Networks of spectrograms, with weights that follow from the seed."""

import torch

from capas.engine.config import Config
from capas.engine.recipes.shared.spectrograms import AudioPreparation, spectrograms_of
from capas.engine.recipes.single_output.audio.network import build_network, new_spectrogram_cnn
from tests.engine.recipes.made_work import noise

PREPARATION = AudioPreparation(rate=8000, seconds=1.0, num_mels=8)


def test_company_changes_no_answer() -> None:
    network = new_spectrogram_cnn(8, 3, 4).eval()
    waves = [noise(1600), noise(480, 1)]
    with torch.no_grad():
        together = network(spectrograms_of(waves, PREPARATION))
        alone = torch.cat([network(spectrograms_of([wave], PREPARATION)) for wave in waves])
    assert together.shape == (2, 3)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_weights_follow_from_the_seed() -> None:
    def first(seed: int) -> torch.Tensor:
        made = build_network(Config().merged({"network.width": 4, "audio.n_mels": 8, "train.seed": seed}), 2)
        assert made.training
        return torch.cat([p.flatten() for p in made.parameters()])

    assert torch.equal(first(3), first(3)) and not torch.equal(first(3), first(4))
