"""MAE learns, with chance from the context alone; its loss equals transformers' where the network is tested."""

import pytest

from capas.networks.representation.masked_autoencoder import MaskedAutoencoder, MaskedDecoderConfig
from capas.networks.vision.vit import VisionTransformer, VisionTransformerConfig
from capas.objectives.self_supervised.batches import UnlabelledBatch
from capas.objectives.self_supervised.mae import MAE
from tests.objectives.self_supervised.toys import Images, falls, learn, loss_of, shapes
from tests.objectives.self_supervised.toys import check_contract as check

BATCH = Images(inputs=shapes(4))


def make() -> MAE:
    config = VisionTransformerConfig(
        in_channels=1, num_classes=1, image_size=8, patch_size=2, width=16, depth=1, heads=2
    )  # fmt: skip
    network = VisionTransformer(config)
    del network.head  # the pretext task has no use for it
    return MAE(MaskedAutoencoder(network, MaskedDecoderConfig(width=8, depth=1, heads=2)))


def test_it_keeps_the_contract() -> None:
    assert isinstance(BATCH, UnlabelledBatch)
    check(make(), make, BATCH)


def test_other_patches_are_hidden_in_another_step() -> None:
    objective = make()
    assert loss_of(objective, BATCH, 1).item() != loss_of(objective, BATCH, 2).item()


def test_it_learns() -> None:
    assert falls(learn(make(), BATCH, rate=1e-2), 0.7)


def test_hiding_all_or_nothing_is_refused() -> None:
    for ratio in (0.0, 1.0):
        with pytest.raises(ValueError, match="ratio"):
            MAE(make().autoencoder, ratio=ratio)
