"""Networks of readers: frames of each line alone as in a batch."""

import torch

from capas.engine.config import Config
from capas.engine.recipes.transcription.line_images import LineImageInputs
from capas.engine.recipes.transcription.network import build_network, forward_sequences
from tests.engine.recipes.made_work import FLOAT32

INPUTS = LineImageInputs(height=16, hidden=5)


def test_company_changes_no_frame() -> None:
    network = build_network(Config().merged({"network.width": 4}), INPUTS, 6)
    lines = [torch.randint(256, (16, width)).to(torch.uint8) for width in (40, 130, 7)]
    together = forward_sequences(network, INPUTS.collate(lines), FLOAT32)
    # A frame for every four columns.
    assert [one.shape for one in together] == [(10, 6), (33, 6), (2, 6)] and not network.training
    for line, found in zip(lines, together, strict=True):
        (alone,) = forward_sequences(network, INPUTS.collate([line]), FLOAT32)
        torch.testing.assert_close(found, alone, atol=1e-4, rtol=1e-4)
        assert not found.requires_grad


def test_weights_follow_from_the_seed() -> None:
    def first(seed: int) -> torch.Tensor:
        made = build_network(Config().merged({"network.width": 4, "train.seed": seed}), INPUTS, 3)
        assert made.training
        return torch.cat([p.flatten() for p in made.parameters()])

    assert torch.equal(first(3), first(3)) and not torch.equal(first(3), first(4))
