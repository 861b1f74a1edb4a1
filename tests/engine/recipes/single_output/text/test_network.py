"""Text networks take encoded texts, with weights that follow from the seed."""

import pytest
import torch

from capas.bundle.card import NetworkCard
from capas.engine.config import Config
from capas.engine.recipes.single_output.text.encodings import fit_text_encoding
from capas.engine.recipes.single_output.text.network import build_network, restored_text_network


def test_weights_follow_from_the_seed() -> None:
    code = fit_text_encoding("text-cnn", ["sea boat", "field"])

    def first(seed: int) -> torch.Tensor:
        settings = {"network.name": "text-cnn", "network.width": 8, "train.seed": seed}
        made = build_network(Config().merged(settings), code, 2)
        assert made.training and made(code.encode(["sea", "boat sea"])).shape == (2, 2)
        return torch.cat([p.flatten() for p in made.parameters()])

    assert torch.equal(first(3), first(3)) and not torch.equal(first(3), first(4))


def test_a_card_that_weighs_terms_that_the_encoding_lacks_is_refused() -> None:
    settings = {"width": 8, "share.linear": 0.5, "terms": 2, "output": "class"}
    card = NetworkCard(name="text-cnn", settings=settings, parameters=1, paper="")
    with pytest.raises(ValueError, match="terms"):
        restored_text_network(card, fit_text_encoding("text-cnn", ["sea boat", "field"]), 2)
