"""The masked autoencoder against transformers' ViTMAEForPreTraining: outputs, mask, loss and every gradient."""

import re

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from capas.networks.representation.masked_autoencoder import (
    MaskedAutoencoder,
    MaskedDecoderConfig,
    PatchMask,
    patchify,
    small_decoder,
    unpatchify,
)
from capas.networks.vision.vit import VisionTransformer, VisionTransformerConfig, vit_small_images
from capas.objectives.self_supervised.mae import masked_patch_loss
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "representation" / "masked_autoencoder.safetensors")
NAMES = (
    ("vit.embeddings.patch_embeddings.projection", "encoder.embed"),
    ("vit.embeddings.cls_token", "encoder.class_token"),
    ("vit.embeddings.position_embeddings", "encoder.positions"),
    ("vit.layernorm", "encoder.norm"),
    ("vit.layers", "encoder.blocks"),
    ("decoder.decoder_layers", "decoder.blocks"),
    ("decoder.decoder_embed", "decoder.embed"),
    ("decoder.decoder_pos_embed", "decoder.positions"),
    ("decoder.decoder_norm", "decoder.norm"),
    ("decoder.decoder_pred", "decoder.predict"),
    ("attention.o_proj", "attention.output"),
    ("layernorm_before", "before_attention"),
    ("layernorm_after", "before_mlp"),
    ("mlp.fc1", "mlp.0"),
    ("mlp.fc2", "mlp.2"),
)


def converted(prefix: str) -> dict[str, Tensor]:
    """Tensors of the reference by our names; the three projections of an attention become one."""
    found: dict[str, Tensor] = {}
    for name, tensor in RECORDED.items():
        if not name.startswith(prefix) or ".k_proj." in name or ".v_proj." in name:
            continue
        parts = [RECORDED[re.sub("q_proj", part, name)] for part in ("q_proj", "k_proj", "v_proj")]
        ours = name.removeprefix(prefix).replace("q_proj", "projection")
        for theirs, short in NAMES:
            ours = ours.replace(theirs, short)
        value = torch.cat(parts) if "q_proj" in name else tensor
        found[ours] = value.squeeze(0) if "positions" in ours else value.squeeze() if "_token" in ours else value
    return found


def tiny() -> MaskedAutoencoder:
    encoder = VisionTransformer(
        VisionTransformerConfig(in_channels=2, num_classes=1, image_size=12, patch_size=3, width=12, depth=2, heads=2)
    )
    return MaskedAutoencoder(encoder, MaskedDecoderConfig(width=8, depth=1, heads=2)).double()


def test_it_equals_transformers_gradients_included() -> None:
    network, weights = tiny(), converted("weights.")
    for name in ("encoder.positions", "decoder.positions"):
        torch.testing.assert_close(network.get_buffer(name), weights[name], rtol=0, atol=1e-7)
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert not unexpected and missing == ["encoder.head.weight", "encoder.head.bias"]
    made = network(RECORDED["images"], RECORDED["noise"], 0.75)
    assert torch.equal(made.hidden, RECORDED["mask"].bool())
    torch.testing.assert_close(made.predicted, RECORDED["predicted"], rtol=0, atol=1e-10)
    plain = masked_patch_loss(made.predicted, made.patches, made.hidden, normalise=False)
    torch.testing.assert_close(plain, RECORDED["plain.loss"], rtol=0, atol=1e-10)
    loss = masked_patch_loss(made.predicted, made.patches, made.hidden)
    torch.testing.assert_close(loss, RECORDED["normalised.loss"], rtol=0, atol=1e-10)
    loss.backward()
    expected = converted("gradients.")
    parameters = {n: p for n, p in network.named_parameters() if not n.startswith("encoder.head")}
    assert parameters.keys() == expected.keys()
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name
        torch.testing.assert_close(parameter.grad, expected[name], rtol=0, atol=1e-10, msg=name)


def test_the_base_configuration_has_the_published_size() -> None:
    with torch.device("meta"):
        network = MaskedAutoencoder(VisionTransformer(VisionTransformerConfig()), MaskedDecoderConfig())
    sizes = {n: t.numel() for n, t in network.state_dict().items() if not n.startswith("encoder.head")}
    assert sum(sizes.values()) == 111_907_840
    assert sum(size for name, size in sizes.items() if name.startswith("encoder.")) == 85_798_656


def test_the_encoder_sees_visible_patches_alone() -> None:
    """What is predicted does not depend on the hidden pixels; it does on the visible ones."""
    network = tiny().eval()
    images = RECORDED["images"].clone().requires_grad_()
    made = network(images, RECORDED["noise"], 0.75)
    made.predicted.sum().backward()
    assert images.grad is not None
    reached = patchify(images.grad, 3).abs().sum(2) > 0
    assert torch.equal(reached, ~made.hidden) and made.hidden.sum(1).tolist() == [12, 12, 12]


def test_one_patch_stays_visible_whatever_the_share() -> None:
    mask = PatchMask.draw(torch.tensor([[0.3, 0.1, 0.2]]), 0.99)
    assert mask.kept.tolist() == [[1]] and mask.hidden.tolist() == [[True, False, True]]


@pytest.mark.parametrize(("height", "width"), [(12, 12), (6, 9), (5, 7)])
def test_patches_are_put_together_again(height: int, width: int) -> None:
    images = torch.randn(2, 2, height, width)
    patches = patchify(images, 3)
    columns = -(-width // 3)
    assert patches.shape == (2, -(-height // 3) * columns, 18)
    assert torch.equal(unpatchify(patches, 3, columns)[:, :, :height, :width], images)
    assert torch.equal(patches[:, 1, :2], images[:, :, 0, 3])  # the channels of a pixel side by side


def test_the_loss_of_a_patch_that_is_all_one_is_finite() -> None:
    patches, hidden = torch.ones(1, 2, 4), torch.tensor([[True, False]])
    assert masked_patch_loss(torch.zeros(1, 2, 4), patches, hidden).item() == 0
    assert masked_patch_loss(torch.zeros(1, 2, 4), patches, hidden, normalise=False).item() == 1


@pytest.mark.parametrize("width", [None, 6, 130])
def test_a_small_decoder_fits_every_encoder(width: int | None) -> None:
    encoder = vit_small_images(in_channels=1, num_classes=2, image_size=16, width=width)
    config = small_decoder(encoder)
    assert config.width % config.heads == 0 and config.width <= max(1, encoder.config.width // 2)
    network = MaskedAutoencoder(encoder)
    assert network.decoder.predict.in_features == config.width and len(network.decoder.blocks) == config.depth
    assert network(torch.zeros(2, 1, 16, 16), torch.rand(2, network.num_patches), 0.75).predicted.shape == (2, 64, 4)
