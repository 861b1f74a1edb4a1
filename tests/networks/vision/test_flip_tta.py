"""Mirrored: the mean of both answers, and nothing of it while training."""

import torch

from capas.networks.catalog import create_network
from capas.networks.vision.flip_tta import FlipTTA


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return create_network("compact", in_channels=1, num_classes=4, image_size=16, width=8)


def test_in_use_the_answer_is_the_mean_of_both_probabilities() -> None:
    network, images = _network().eval(), torch.rand(5, 1, 16, 16)
    expected = (network(images).softmax(1) + network(images.flip(3)).softmax(1)) / 2
    torch.testing.assert_close(FlipTTA(network).eval()(images).softmax(1), expected)


def test_tags_and_numbers_have_means_of_their_own() -> None:
    network, images = _network().eval(), torch.rand(5, 1, 16, 16)
    both = network(images), network(images.flip(3))
    tags = FlipTTA(network, "tags").eval()(images).sigmoid()
    torch.testing.assert_close(tags, (both[0].sigmoid() + both[1].sigmoid()) / 2)
    assert float(tags.detach().max()) > 0.5
    torch.testing.assert_close(FlipTTA(network, "numbers").eval()(images), (both[0] + both[1]) / 2)


def test_a_picture_and_its_mirror_image_get_the_same_answer() -> None:
    network, images = FlipTTA(_network()).eval(), torch.rand(5, 1, 16, 16)
    torch.testing.assert_close(network(images), network(images.flip(3)))
    assert not torch.allclose(network.network(images), network.network(images.flip(3)))


def test_while_training_it_is_the_network_itself() -> None:
    single, images = _network().train(), torch.rand(5, 1, 16, 16)
    mirrored = FlipTTA(_network()).train()
    torch.testing.assert_close(mirrored(images), single(images))
