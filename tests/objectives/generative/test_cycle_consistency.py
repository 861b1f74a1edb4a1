import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from capas.objectives.base import StepContext
from capas.objectives.generative.cycle_consistency import CycleConsistency, CycleSettings
from capas.objectives.generative.history_pool import ask_pool


@dataclass(frozen=True)
class Images:
    a: Tensor
    b: Tensor


class Shift(nn.Module):
    """A translator that adds a number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.value


class Mean(nn.Module):
    """A discriminator of one patch: the mean of an image, scaled."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * images.mean((1, 2, 3), keepdim=True)


def context(step: int = 0) -> StepContext:
    return StepContext(step=step, progress=0.0, rng=torch.Generator().manual_seed(step))


def objective(**settings: float | int) -> CycleConsistency:
    return CycleConsistency(Shift(0.5), Shift(-0.25), Mean(2.0), Mean(1.0), replace(CycleSettings(), **settings))


def filled(value: float, count: int = 2) -> Tensor:
    return torch.full((count, 1, 2, 2), value)


BATCH = Images(a=filled(0.0), b=filled(0.4))


def step(one: CycleConsistency, batch: Images, number: int = 0) -> dict[str, float]:
    """What the engine does, without a correction."""
    here, found = context(number), dict[str, float]()
    for phase in one.phases:
        found |= {name: loss.item() for name, loss in one.losses(batch, phase, here).items()}
        one.after(phase, here)
    return found


def test_losses_by_hand() -> None:
    found = step(objective(), BATCH)
    # G(a) = 0.5 is judged 0.5 by D_B, F(b) = 0.15 is judged 0.3 by D_A.
    fooled = (0.5 - 1) ** 2 + (0.3 - 1) ** 2
    assert found["adversarial"] == pytest.approx(fooled)
    assert found["cycle"] == pytest.approx(2 * 0.25)  # there and back leaves a quarter either way
    assert found["identity"] == pytest.approx(0.5 + 0.25)
    assert found["translators"] == pytest.approx(fooled + 10 * 0.5 + 5 * 0.75)
    judged_a = ((0.0 - 1) ** 2 + 0.3**2) / 2
    judged_b = ((0.4 - 1) ** 2 + 0.5**2) / 2
    assert found["judges"] == pytest.approx(judged_a + judged_b)
    assert found["taken_for_real"] == 0


def test_a_phase_alone_is_as_after_the_other() -> None:
    one = objective()
    alone = one.losses(BATCH, one.phases[1], context())
    assert alone["judges"].item() == pytest.approx(step(one, BATCH)["judges"])


def test_what_weighs_nothing_is_not_computed() -> None:
    found = step(objective(cycle=0.0, identity=0.0), BATCH)
    assert found["translators"] == pytest.approx(found["adversarial"])
    assert not {"cycle", "identity"} & set(found)


def test_each_phase_reaches_its_own_networks_alone() -> None:
    one, here = objective(), context()
    translators, judges = one.phases
    one.losses(BATCH, translators, here)["translators"].backward()
    assert all(one.networks[name].value.grad is not None for name in translators.networks)
    before = {name: one.networks[name].value.grad.clone() for name in translators.networks}
    one.losses(BATCH, judges, here)["judges"].backward()
    assert all(torch.equal(one.networks[name].value.grad, grad) for name, grad in before.items())


def test_a_translator_that_makes_one_image_of_all_has_no_spread() -> None:
    one = CycleConsistency(Constant(), Constant(), Mean(1.0), Mean(1.0))
    varied = Images(a=torch.randn(4, 1, 2, 2), b=torch.randn(4, 1, 2, 2))
    assert step(one, varied)["spread"] == 0
    assert step(objective(), varied)["spread"] == pytest.approx(1)


class Constant(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros_like(images)


def test_a_pool_is_filled_before_former_images_come_back() -> None:
    new = torch.arange(3.0)[:, None]
    answer = ask_pool(torch.zeros(0), new, torch.full((3, 2), 0.9), size=3)
    assert torch.equal(answer.images, new) and torch.equal(answer.pool, new)
    draws = torch.tensor([[0.6, 0.4], [0.4, 0.9], [0.5, 0.4]])
    later = ask_pool(answer.pool, torch.tensor([[10.0], [11.0], [12.0]]), draws, size=3)
    # The first takes the place of the second of three, 1; the second is shown itself; the third meets the first.
    assert later.images.flatten().tolist() == [1, 11, 10]
    assert later.pool.flatten().tolist() == [0, 12, 2]


def test_half_of_what_a_full_pool_gives_are_former_images() -> None:
    rng = torch.Generator().manual_seed(0)
    made = torch.arange(1000.0)[:, None] + 1
    answer = ask_pool(-torch.ones(10, 1), made, torch.rand(1000, 2, generator=rng), size=10)
    assert (answer.images != made).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert len(answer.pool) == 10


def test_without_places_a_pool_gives_what_it_is_given() -> None:
    made = torch.randn(3, 1)
    answer = ask_pool(torch.zeros(0), made, torch.zeros(3, 2), size=0)
    assert torch.equal(answer.images, made) and not len(answer.pool)


def batches() -> list[Images]:
    rng = torch.Generator().manual_seed(1)
    return [Images(a=torch.randn(2, 1, 2, 2, generator=rng), b=torch.randn(2, 1, 2, 2, generator=rng)) for _ in "12345"]


def test_losses_depend_on_the_weights_the_state_and_the_context_alone() -> None:
    whole, begun, taken_up = (objective(pool=3) for _ in range(3))
    expected = [step(whole, batch, number) for number, batch in enumerate(batches())]
    for number, batch in enumerate(batches()[:3]):
        step(begun, batch, number)
    taken_up.load_state_dict(begun.state_dict())
    torch.manual_seed(99)
    for number, batch in list(enumerate(batches()))[3:]:
        assert step(taken_up, batch, number) == expected[number]
    assert all(torch.equal(taken_up.pools[side], whole.pools[side]) for side in "ab")
    assert not math.isclose(expected[4]["judges"], step(objective(pool=3), batches()[4], 4)["judges"])


def test_two_ranks_show_what_one_process_would() -> None:
    halves = [Images(a=one.a[i : i + 1], b=one.b[i : i + 1]) for one in batches()[:1] for i in range(2)]
    one = objective(pool=1)
    step(one, batches()[0])
    made = {"a": batches()[0].b - 0.25, "b": batches()[0].a + 0.5}
    for rank, half in enumerate(halves):
        own = objective(pool=1)
        here = replace(context(), rank=rank, world_size=2)
        own.losses(half, own.phases[0], here)
        sides = iter(("a", "b"))
        here = replace(here, gather=lambda _, sides=sides: made[next(sides)])
        own.losses(half, own.phases[1], here)
        own.after(own.phases[1], here)
        assert all(torch.equal(own.pools[side], one.pools[side]) for side in "ab")
