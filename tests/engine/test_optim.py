"""The schedule's ends, the average by hand, and who is corrected at which rate."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from capas.engine.optim import (
    WeightAverage,
    clip_gradients,
    make_optimizer,
    named_tensors,
    parameter_groups,
    schedule_factor,
)
from capas.engine.step import set_mode
from capas.networks.catalog import create_network, find_entry
from tests.harness import FIXED, train_here


def test_one_cycle_rises_linearly_and_falls_as_a_cosine_to_zero() -> None:
    def rate(progress: float) -> float:
        return schedule_factor(progress, warmup=0.2, schedule="one-cycle")

    assert rate(0.0) == 0 and rate(0.05) == pytest.approx(0.25) and rate(0.2) == 1 and rate(1.0) == pytest.approx(0)
    assert rate(0.2 + 0.8 / 3) == pytest.approx((1 + math.cos(math.pi / 3)) / 2)
    falling = [rate(0.2 + 0.08 * i) for i in range(11)]
    assert falling == sorted(falling, reverse=True)


def test_without_warm_up_it_begins_at_the_peak_and_constant_stays_there() -> None:
    assert schedule_factor(0.0, warmup=0.0, schedule="one-cycle") == 1
    assert [schedule_factor(p, warmup=0.5, schedule="constant") for p in (0.25, 0.5, 0.9, 1.0)] == [0.5, 1, 1, 1]


def test_late_linear_falls_in_a_straight_line_in_the_second_half() -> None:
    rates = [schedule_factor(p, warmup=0.0, schedule="late-linear") for p in (0.0, 0.5, 0.6, 0.75, 1.0)]
    assert rates == pytest.approx([1, 1, 0.8, 0.5, 0])


def test_vectors_have_no_decay() -> None:
    network = create_network("compact", in_channels=1, num_classes=3, image_size=8, width=4)
    groups = parameter_groups(network, learning_rate=0.1, weight_decay=0.5, head=None, backbone_rate=0.1)
    decayed = {id(p) for group in groups if group["weight_decay"] for p in params(group)}
    for name, parameter in network.named_parameters():
        assert (id(parameter) in decayed) == (parameter.ndim > 1), name
    assert {group["peak"] for group in groups} == {0.1} and {group["weight_decay"] for group in groups} == {0.5, 0.0}
    assert sum(len(params(group)) for group in groups) == len(list(network.parameters()))


def params(group: dict[str, object]) -> list[nn.Parameter]:
    found = group["params"]
    assert isinstance(found, list)
    return found


def test_a_pretrained_body_goes_slower_than_its_new_head() -> None:
    network = create_network("efficientnet-lite0", in_channels=3, num_classes=3, image_size=32)
    head = find_entry("efficientnet-lite0").head
    groups = parameter_groups(network, learning_rate=0.1, weight_decay=0.5, head=head, backbone_rate=0.2)
    peaks = {id(p): group["peak"] for group in groups for p in params(group)}
    normalisations = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    frozen = {id(p) for layer in normalisations for p in layer.parameters()}
    assert frozen and not frozen & peaks.keys()
    for name, parameter in network.named_parameters():
        if id(parameter) not in frozen:
            assert peaks[id(parameter)] == pytest.approx(0.1 if name.startswith("classifier.1.") else 0.02), name


def test_a_frozen_body_is_left_out_and_only_its_head_is_in_training_mode() -> None:
    network = create_network("efficientnet-lite0", in_channels=3, num_classes=3, image_size=32)
    groups = parameter_groups(
        network, learning_rate=0.1, weight_decay=0.5, head=find_entry("efficientnet-lite0").head, backbone_rate=0.0
    )
    assert {tuple(p.shape) for group in groups for p in params(group)} == {(3, 1280), (3,)}
    set_mode({"network": network}, training=True)
    normalisations = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    dropouts = [layer for layer in network.modules() if isinstance(layer, nn.Dropout)]
    assert normalisations and not any(layer.training for layer in normalisations)
    assert dropouts and all(layer.training for layer in dropouts)
    set_mode({"network": network}, training=False)
    assert not any(layer.training for layer in network.modules())


def test_training_leaves_a_frozen_body_as_it_was(tmp_path: Path) -> None:
    """Weights and the statistics of its normalisation, to the last bit."""
    import capas
    from capas.networks.vision.efficientnet_weights import pretrained_lite0

    settings = {key: value for key, value in FIXED.items() if key != "network.width"} | {
        "network.pretrained": True, "optim.backbone_rate": 0, "data.image_size": 32, "train.epochs": 0.2,
        "augment.flip": False,
    }  # fmt: skip
    run = train_here("sample:shapes", tmp_path / "run", settings)
    before = pretrained_lite0(num_classes=3).state_dict()
    after = capas.load(run).predictor.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.1.weight", "classifier.1.bias"}


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_fused_optimisers_step_as_plain_ones(name: str, kind: type[torch.optim.Optimizer]) -> None:
    start, steps = torch.randn(3, 4), [torch.randn(3, 4) for _ in range(3)]
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    assert name in ("sgd", "adamw")
    first = make_optimizer(name, [{"params": [ours], "weight_decay": 0.1, "lr": 0.0}])
    extra = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    second = kind([theirs], lr=0.05, weight_decay=0.1, **extra)  # type: ignore[call-arg]
    assert first.defaults["fused"] is True
    for gradient in steps:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        first.param_groups[0]["lr"] = 0.05
        first.step()
        second.step()
    torch.testing.assert_close(ours, theirs)


def test_the_average_is_the_one_computed_by_hand() -> None:
    network = nn.BatchNorm1d(1)
    average = WeightAverage({"n": network}, {"n": 0.5})
    expected, value = 1.0, 1.0
    for step in (1, 2, 30):
        value *= 3
        with torch.no_grad():
            network.weight.fill_(value)
            network.num_batches_tracked.fill_(step)
        average.update({"n": network}, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        assert float(average.tensors["n.weight"]) == pytest.approx(expected)
    assert int(average.tensors["n.num_batches_tracked"]) == 30
    assert network.weight.item() == 27  # the network itself is left alone
    assert average.tensors.keys() == named_tensors({"n": network}).keys()


def test_gradients_are_clipped_to_the_norm_or_left() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    for largest, expected in ((1.0, [0.6, 0.8]), (0.0, [3.0, 4.0]), (10.0, [3.0, 4.0])):
        parameter.grad = torch.tensor([3.0, 4.0])
        clip_gradients([parameter], largest)
        torch.testing.assert_close(parameter.grad, torch.tensor(expected), atol=1e-5, rtol=0)


def test_the_longest_beginning_of_a_name_decides_its_rate() -> None:
    network = nn.ModuleDict({"mapping": nn.Linear(2, 2), "mappings": nn.Linear(2, 2)})
    factors = {"g": 0.5, "g.mapping": 0.01, "g.mapping.bias": 2.0}
    groups = parameter_groups(network, name="g", learning_rate=1.0, weight_decay=0.1, rate_factors=factors)
    rates = {id(p): group["peak"] for group in groups for p in group["params"]}  # type: ignore[attr-defined]
    found = {name: rates[id(p)] for name, p in network.named_parameters()}
    assert found == {"mapping.weight": 0.01, "mapping.bias": 2.0, "mappings.weight": 0.5, "mappings.bias": 0.5}
    assert {group["weight_decay"] for group in groups} == {0.0, 0.1}


def test_adam_is_torchs_with_its_betas() -> None:
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    first = make_optimizer("adam", [{"params": list(ours.parameters()), "lr": 0.1}], (0.0, 0.9))
    second = torch.optim.Adam(theirs.parameters(), lr=0.1, betas=(0.0, 0.9))
    for step in range(3):
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        for network, optimizer in ((ours, first), (theirs, second)):
            optimizer.zero_grad()
            network(x).square().mean().backward()
            optimizer.step()
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-6)
