"""The dependence of vectors on a class: none, some, and what no straight line shows."""

import pytest
import torch

from capas.objectives.dependence import class_dependence, linear_class_dependence


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


def test_pillais_trace_is_one_less_wilks_lambda_of_two_classes_and_sees_what_hardly_varies() -> None:
    rng = torch.Generator().manual_seed(0)
    vectors, classes = torch.randn(200, 3, generator=rng), torch.arange(200) % 2
    vectors[:, 1] += 0.7 * classes
    # For two classes it is R² of the regression of the class on the vectors.
    design = torch.cat([vectors, torch.ones(200, 1)], 1).double()
    target = classes.double()[:, None]
    residuals = target - design @ torch.linalg.lstsq(design, target).solution
    r2 = 1 - float(residuals.square().sum() / (target - target.mean()).square().sum())
    expected = pytest.approx(r2 - 3 / 199, abs=2e-3)
    assert float(linear_class_dependence(vectors, classes)) == expected
    assert float(linear_class_dependence(vectors * torch.tensor([1.0, 0.3, 1.0]), classes)) == expected
    noise = torch.stack([
        linear_class_dependence(torch.randn(60, 4, generator=rng), torch.arange(60) % 5) for _ in range(200)
    ])  # fmt: skip
    assert abs(float(noise.mean())) < 0.01  # chance is taken off
    alike = torch.eye(3)[torch.arange(60) % 3] + 1e-4 * torch.randn(60, 3, generator=rng)
    assert float(linear_class_dependence(alike, torch.arange(60) % 3)) == pytest.approx(1 - 3 / 59, abs=0.05)


def test_one_class_or_few_examples_have_none() -> None:
    vectors = torch.randn(8, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for part, classes in ((vectors, torch.zeros(8, dtype=torch.long)), (vectors[:3], torch.arange(3))):
        for measure in (class_dependence, linear_class_dependence):
            found = measure(part, classes)
            found.backward()  # type: ignore[no-untyped-call]
            assert float(found.detach()) == pytest.approx(0, abs=1e-5)
    assert vectors.grad is not None and bool(vectors.grad.isfinite().all())
