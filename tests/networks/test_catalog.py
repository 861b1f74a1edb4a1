"""The table of networks: parameter counts to the unit, shapes, batches, errors, and no needless torch."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from capas.core.errors import CapasError
from capas.networks import catalog
from capas.networks.generative.class_conditioned_vae import HasLatents

ROWS = pytest.mark.parametrize("row", catalog.NETWORKS, ids=lambda row: row.name)
# Built small here: what takes long is their size, which the counts on the meta device cover.
QUICK = pytest.mark.parametrize(
    "row",
    [row for row in catalog.NETWORKS if "1202" not in row.name and row.name not in ("resnet-101", "resnet-152")],
    ids=lambda row: row.name,
)


def _small_size(row: catalog.NetworkEntry) -> int:
    """A size that the network takes and that keeps the test short."""
    return max(row.minimum_size, 16) if row.minimum_size != 63 else 64


@ROWS
def test_parameters_are_counted_to_the_unit(row: catalog.NetworkEntry) -> None:
    with torch.device("meta"):
        network = catalog.create_network(
            row.name, in_channels=row.channels, num_classes=row.classes, image_size=row.image_size
        )
    assert sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad) == row.parameters


@ROWS
def test_output_shape_at_the_published_size(row: catalog.NetworkEntry) -> None:
    with torch.device("meta"):
        network = catalog.create_network(
            row.name, in_channels=row.channels, num_classes=row.classes, image_size=row.image_size
        ).eval()
        images = torch.empty(2, row.channels, row.image_size, row.image_size)
        assert network(images).shape == (2, row.classes)


@QUICK
def test_batch_equals_single_pictures(row: catalog.NetworkEntry) -> None:
    size = _small_size(row)
    network = catalog.create_network(row.name, in_channels=2, num_classes=3, image_size=size).eval()
    images = torch.randn(3, 2, size, size)
    with torch.no_grad():
        together = network(images)
        singly = torch.cat([network(image[None]) for image in images])
    assert together.shape == (3, 3)
    assert torch.isfinite(together).all()
    torch.testing.assert_close(together, singly, rtol=1e-4, atol=1e-5 * max(1.0, together.abs().max().item()))


@QUICK
def test_smallest_size_runs_and_gradient_reaches_every_parameter(row: catalog.NetworkEntry) -> None:
    network = catalog.create_network(row.name, in_channels=1, num_classes=3, image_size=row.minimum_size).train()
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    images = torch.randn(4, 1, row.minimum_size, row.minimum_size)
    outputs = network(images)
    if isinstance(network, HasLatents):  # called as a classifier it leaves its decoder alone
        found = network.posteriors(images, torch.tensor([0, 1, 2, 0]))
        outputs = (
            outputs,
            network.decode(
                *(one.sample(torch.ones_like(one.mean)) for one in (found.class_latent, found.shared_latent))
            ),
        )
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    sum(output.square().sum() for output in outputs).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@ROWS
def test_head_is_the_last_layer(row: catalog.NetworkEntry) -> None:
    """A head that is replaced decides the number of outputs: what transfer learning relies on."""
    with torch.device("meta"):
        network = catalog.create_network(row.name, in_channels=1, num_classes=7, image_size=row.image_size)
    head = network.get_submodule(row.head)
    assert (head.out_features if isinstance(head, nn.Linear) else len(head.codes)) == 7
    assert [name for name, _ in network.named_modules() if name][-1] == row.head


def test_names_are_unique() -> None:
    names = [row.name for row in catalog.NETWORKS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [("resnet18", "resnet-18"), ("Lenet", "lenet-5"), ("efficientnet_b0", "efficientnet-b0"), ("", None)],
)
def test_unknown_name_is_answered_with_the_nearest(typed: str, nearest: str | None) -> None:
    with pytest.raises(CapasError) as caught:
        catalog.find_entry(typed)
    assert caught.value.key == "network_unknown"
    assert caught.value.received == typed
    assert nearest is None or caught.value.values["nearest"] == nearest
    assert nearest is None or nearest in str(caught.value)


def test_width_is_refused_where_there_is_no_dial() -> None:
    with pytest.raises(CapasError) as caught:
        catalog.create_network("resnet-18", in_channels=3, num_classes=10, image_size=64, width=16)
    assert caught.value.key == "network_without_width"
    assert "compact" in str(caught.value)


def test_width_below_one_is_refused() -> None:
    with pytest.raises(CapasError) as caught:
        catalog.create_network("compact", in_channels=3, num_classes=10, image_size=64, width=0)
    assert caught.value.key == "network_width_too_small"
    assert str(caught.value)


@ROWS
def test_pictures_that_are_too_small_are_refused(row: catalog.NetworkEntry) -> None:
    with pytest.raises(CapasError) as caught:
        catalog.create_network(row.name, in_channels=3, num_classes=10, image_size=row.minimum_size - 1)
    assert caught.value.key == "network_image_too_small"
    assert str(row.minimum_size) in str(caught.value)


def test_reading_the_table_does_not_import_torch() -> None:
    code = "import sys; from capas.networks import catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
