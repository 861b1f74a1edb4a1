import pytest
import torch
from torch import nn

from capas.networks.generative.glow import Glow, GlowConfig, squeeze, unsqueeze


def disturbed(config: GlowConfig) -> Glow:
    """A network that does not begin as near to the identity as it usually does, in double precision."""
    torch.manual_seed(0)
    glow = Glow(config)
    for parameter in glow.parameters():
        if parameter.ndim != 2:  # the mixing stays invertible
            nn.init.normal_(parameter, parameter.detach().mean().item(), 0.1)
    return glow.double().eval()


CONFIG = GlowConfig(shape=(1, 4, 4), levels=2, steps=2, width=5, classes=3)
CLASSES = torch.tensor([0, 2, 1])


@pytest.mark.parametrize("mixing", ["convolution", "permutation"])
def test_it_leads_back(mixing: str) -> None:
    glow = disturbed(GlowConfig(shape=(3, 8, 8), levels=3, steps=3, width=6, mixing=mixing))  # type: ignore[arg-type]
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    noise, _ = glow(images)
    assert [z.shape[1:] for z in noise] == list(glow.config.noise_shapes)
    assert sum(z[0].numel() for z in noise) == images[0].numel()
    assert (glow.inverse(noise) - images).abs().max() < 1e-6
    single = glow.float()
    assert (single.inverse(single(images.float())[0]) - images.float()).abs().max() < 1e-4


def test_the_determinant_is_that_of_autograd() -> None:
    glow = disturbed(CONFIG)
    images = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    _, log_determinant = glow(images, CLASSES)
    for image, number, found in zip(images, CLASSES, log_determinant, strict=True):

        def flat(x: torch.Tensor, number: torch.Tensor = number) -> torch.Tensor:
            return torch.cat([z.flatten() for z in glow(x.reshape(1, 1, 4, 4), number[None])[0]])

        jacobian = torch.autograd.functional.jacobian(flat, image.flatten())
        assert torch.linalg.slogdet(jacobian)[1].item() == pytest.approx(found.item(), abs=1e-5)


def test_the_density_integrates_to_one() -> None:
    glow = disturbed(GlowConfig(shape=(1, 2, 2), levels=1, steps=2, width=4))
    axis = torch.linspace(-7.5, 7.5, 21, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis, axis, axis)
    total = sum(glow.log_likelihood(part.reshape(-1, 1, 2, 2)).exp().sum().item() for part in points.split(50_000))
    assert total * (axis[1] - axis[0]).item() ** 4 == pytest.approx(1, abs=0.01)


def test_actnorm_begins_with_the_data() -> None:
    torch.manual_seed(1)
    glow = Glow(GlowConfig(shape=(1, 8, 8), levels=2, steps=1, width=4))
    images = torch.randn(64, 1, 8, 8) * 5 + 3
    glow.fit_actnorm(images)
    first = glow.levels[0][0].norm(squeeze(images))[0]  # type: ignore[index]
    assert torch.allclose(first.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(first.std((0, 2, 3)), torch.ones(4), atol=1e-3)


def test_squeezing_and_bad_shapes() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert squeeze(x)[0, :, 0, 0].tolist() == [0, 1, 4, 5]
    assert torch.equal(unsqueeze(squeeze(x)), x)
    with pytest.raises(ValueError, match="a side of 30"):
        GlowConfig(shape=(1, 30, 28), levels=2)
    with pytest.raises(ValueError, match="classes are missing"):
        Glow(CONFIG)(torch.zeros(1, 1, 4, 4))
