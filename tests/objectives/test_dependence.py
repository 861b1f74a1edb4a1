"""The dependence of vectors on a class: none, some, and what no straight line shows."""

import pytest
import torch

from capas.objectives.dependence import class_dependence


def test_it_tells_dependence_from_chance() -> None:
    rng = torch.Generator().manual_seed(0)
    classes = torch.arange(300) % 3
    noise = torch.randn(300, 2, generator=rng)
    apart = noise + 6 * torch.stack([classes, classes], 1)
    assert abs(float(class_dependence(noise, classes))) < 0.02
    assert float(class_dependence(apart, classes)) > 0.5
    # Two rings with the same middle: nothing that is linear tells them apart.
    angles = 2 * torch.pi * torch.rand(300, generator=rng)
    radii = torch.where(classes == 0, 0.2, 2.0)
    rings = torch.stack([angles.cos(), angles.sin()], 1) * radii[:, None]
    assert float(class_dependence(rings, (classes == 0).long())) > 0.1


def test_one_class_or_few_examples_have_none() -> None:
    vectors = torch.randn(8, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for part, classes in ((vectors, torch.zeros(8, dtype=torch.long)), (vectors[:3], torch.arange(3))):
        found = class_dependence(part, classes)
        found.backward()  # type: ignore[no-untyped-call]
        assert float(found.detach()) == pytest.approx(0, abs=1e-5)
    assert vectors.grad is not None and bool(vectors.grad.isfinite().all())
