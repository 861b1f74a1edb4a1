"""Two collections without pairs, each translated into the other: Zhu, Park, Isola & Efros, "Unpaired Image-to-Image
Translation using Cycle-Consistent Adversarial Networks", ICCV 2017 (arXiv:1703.10593).

G translates A into B and F translates B into A; D_B and D_A tell translated images from real ones. With the squared
errors of Mao et al. 2017 in place of the likelihoods (Section 4)

    G, F minimise  (D_B(G(a)) − 1)² + (D_A(F(b)) − 1)²  +  λ (|F(G(a)) − a|₁ + |G(F(b)) − b|₁)
                                                       +  μ (|G(b) − b|₁ + |F(a) − a|₁),
    D_A, D_B minimise  ½ ((D_A(a) − 1)² + D_A(F(b))²)  and the same of B,

with λ = 10 and μ = 5. The cycle is what makes of two mappings between collections one between images: with λ = 0 any
image of B will do for any of A. The identity keeps colours where both collections have them (Section 5.2). What the
discriminators see of translated images comes from a pool of the last 50 (``history_pool``). Adam, 0.0002, first moment
0.5; the rate falls in a straight line in the second half.

Where we deviate: both translators are averaged over the steps.

Further losses are only reported: ``cycle`` and ``identity`` without their weights, ``taken_for_real``, the share of
patches of translated images that the discriminators take for real, and ``spread``, the mean deviation of a translated
pixel over the batch as a share of that of a real one (of two images or more): near 0 a translator makes one image of
all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from capas.objectives.base import OptimizerSpec, Phase, StepContext
from capas.objectives.generative.adversarial import spread_of
from capas.objectives.generative.history_pool import ask_pool

A_TO_B, B_TO_A = "a_to_b", "b_to_a"
JUDGE_A, JUDGE_B = "judge_a", "judge_b"
TRANSLATORS, JUDGES = "translators", "judges"
AVERAGE: Final = 0.995


@runtime_checkable
class UnpairedImages(Protocol):
    """What this objective needs of a batch."""

    @property
    def a(self) -> Tensor:
        """Images of A (B, C, H, W) in [-1, 1]."""

    @property
    def b(self) -> Tensor:
        """As many of B, which do not belong to those of A."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleSettings:
    """What the losses weigh.

    Attributes:
        cycle: λ, ≥ 0; 0 translates without a way back.
        identity: μ, ≥ 0; 0 leaves colours free.
        pool: Translated images that are remembered for each discriminator, ≥ 0.
        learning_rate: Of all networks, > 0.
    """

    cycle: float = 10.0
    identity: float = 5.0
    pool: int = 50
    learning_rate: float = 2e-4


class CycleConsistency:
    """Objective of two translators and two discriminators.

    Args:
        a_to_b: Maps images (B, C, H, W) of A in [-1, 1] to such of B.
        b_to_a: The other way round.
        judge_a: Maps images to numbers for patches (B, 1, h, w), 1 where it takes them for A's.
        judge_b: The same of B.
        settings: The weights.
    """

    def __init__(
        self, a_to_b: nn.Module, b_to_a: nn.Module, judge_a: nn.Module, judge_b: nn.Module,
        settings: CycleSettings | None = None,
    ) -> None:  # fmt: skip
        self.settings = settings or CycleSettings()
        self.networks: Mapping[str, nn.Module] = {
            A_TO_B: a_to_b, B_TO_A: b_to_a, JUDGE_A: judge_a, JUDGE_B: judge_b,
        }  # fmt: skip
        self.phases: Sequence[Phase] = (
            Phase(name=TRANSLATORS, loss=TRANSLATORS, networks=(A_TO_B, B_TO_A)),
            Phase(name=JUDGES, loss=JUDGES, networks=(JUDGE_A, JUDGE_B)),
        )
        adam = OptimizerSpec(
            kind="adam", learning_rate=self.settings.learning_rate, betas=(0.5, 0.999), weight_decay=0.0,
            schedule="late-linear",
        )  # fmt: skip
        self.optimizers: Mapping[str, OptimizerSpec] = {TRANSLATORS: adam, JUDGES: adam}
        self.averages: Mapping[str, float] = {A_TO_B: AVERAGE, B_TO_A: AVERAGE}
        self.deployed: Sequence[str] = (A_TO_B, B_TO_A)
        self.pools: dict[str, Tensor] = {"a": torch.zeros(0), "b": torch.zeros(0)}

    def losses(self, batch: UnpairedImages, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        if phase.name == TRANSLATORS:
            return self._of_translators(batch.a, batch.b, context)
        if "a" not in context.shared:  # the phase alone, as where its speed is measured
            with torch.no_grad():
                made = {"a": self.networks[B_TO_A](batch.b), "b": self.networks[A_TO_B](batch.a)}
            context.shared.update({side: images.float() for side, images in made.items()})
        judged = [self._judged(side, real, context) for side, real in (("a", batch.a), ("b", batch.b))]
        return {
            JUDGES: judged[0][0] + judged[1][0],
            "taken_for_real": (judged[0][1] + judged[1][1]) / 2,
        }

    def _of_translators(self, a: Tensor, b: Tensor, context: StepContext) -> Mapping[str, Tensor]:
        a_to_b, b_to_a = self.networks[A_TO_B], self.networks[B_TO_A]
        made_b, made_a = a_to_b(a), b_to_a(b)
        context.shared.update({"a": made_a.detach().float(), "b": made_b.detach().float()})
        fooled = _square(self.networks[JUDGE_B](made_b), 1.0) + _square(self.networks[JUDGE_A](made_a), 1.0)
        terms = {"adversarial": fooled}
        total = fooled
        if self.settings.cycle:
            terms["cycle"] = _distance(b_to_a(made_b), a) + _distance(a_to_b(made_a), b)
            total = total + self.settings.cycle * terms["cycle"]
        if self.settings.identity:
            terms["identity"] = _distance(a_to_b(b), b) + _distance(b_to_a(a), a)
            total = total + self.settings.identity * terms["identity"]
        if len(a) > 1:
            spread = spread_of(made_a) + spread_of(made_b)
            terms["spread"] = spread / (spread_of(a) + spread_of(b)).clamp(min=1e-6)
        return {TRANSLATORS: total, **{name: term.detach() for name, term in terms.items()}}

    def _judged(self, side: str, real: Tensor, context: StepContext) -> tuple[Tensor, Tensor]:
        """The loss of one discriminator, and the share of patches that it takes for real."""
        judge = self.networks[JUDGE_A if side == "a" else JUDGE_B]
        own = context.shared[side]
        # The pools of all ranks are one: each is asked for the images of all.
        made = context.gather(own)
        draws = torch.rand(len(made), 2, generator=context.rng)
        answer = ask_pool(self.pools[side].to(made), made, draws, self.settings.pool)
        context.shared[f"pool.{side}"] = answer.pool
        shown = answer.images[context.rank * len(own) : (context.rank + 1) * len(own)]
        judged = judge(shown)
        loss = (_square(judge(real), 1.0) + _square(judged, 0.0)) / 2
        return loss, (judged.detach() > 0.5).float().mean()

    def after(self, phase: Phase, context: StepContext) -> None:
        """Keep the pools as the discriminators' correction leaves them (``ActsAfterPhase``)."""
        if phase.name == JUDGES:
            for side in self.pools:
                self.pools[side] = context.shared[f"pool.{side}"].clone()

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return the pools (``HasState``)."""
        return {f"pool.{side}": pool for side, pool in self.pools.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take the pools up."""
        self.pools = {side: state[f"pool.{side}"].clone() for side in self.pools}


def _square(judged: Tensor, target: float) -> Tensor:
    return (judged.float() - target).square().mean()


def _distance(images: Tensor, target: Tensor) -> Tensor:
    return (images.float() - target).abs().mean()
