"""Small objectives of every kind that the engine must carry: a generative adversarial network, one with lazy
regularisation and shared optimizer state, a momentum encoder, two generators against two discriminators.

Each is trained through ``build()``, as users' trainings are: ``python -m tests.engine.objective_toys FOLDER NAME…``
trains them to their end, or on from where they were killed. No layer here looks at the batch as a whole, so that two
ranks can equal one.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from capas.bundle.card import NetworkCard
from capas.core.files import write_atomic
from capas.core.rng import seeded_generator
from capas.data.batch import SampledBatches, TwoViews, UnpairedBatch, UnpairedBatches, two_view_batches
from capas.data.sampler import BatchSampler
from capas.engine.build import BuiltRun, build
from capas.engine.config import Config
from capas.engine.distributed import Ranks, join_process_group
from capas.engine.events import append_event
from capas.engine.execution import Execution
from capas.engine.loop import StopRequest, ValidationScore
from capas.engine.optim import named_tensors
from capas.engine.recipe import TestResult, TrainingBatches
from capas.objectives.base import Objective, OptimizerSpec, Phase, StepContext

FLOAT32 = Execution(device="cpu", precision="float32", memory_format="contiguous", threads=1, reason="")
STEPS, BATCH, EXAMPLES = 60, 8, 40
QUIET = bool(os.environ.get("TOYS_WITHOUT_NOISE"))


def mlp(inputs: int, outputs: int, *, end: nn.Module | None = None) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(inputs, 16), nn.LeakyReLU(0.2), nn.Linear(16, outputs)]
    return nn.Sequential(*layers, *([end] if end is not None else []))


def images(seed: int, channel: int) -> Tensor:
    """N×1×8×8, a bar at a random place that lies (channel 0) or stands (channel 1)."""
    rng = seeded_generator(seed, "images", channel)
    made = torch.full((EXAMPLES, 1, 8, 8), -1.0)
    for image, place in zip(made, torch.randint(7, (EXAMPLES,), generator=rng).tolist(), strict=True):
        image[0, place : place + 2] = 1.0
    return made if channel == 0 else made.transpose(2, 3).contiguous()


class Gan:
    """DCGAN (Radford, Metz & Chintala 2016) in small: transposed convolutions against convolutions, the losses of
    Goodfellow et al. 2014 with the generator's not saturating; Adam with betas (0.5, 0.999); the generator alone is
    averaged, deployed and looked at. The images that the discriminator judged are handed on within the step."""

    latent = 4

    def __init__(self) -> None:
        torch.manual_seed(0)
        generator = nn.Sequential(
            nn.ConvTranspose2d(self.latent, 8, 4),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        discriminator = nn.Sequential(
            nn.Conv2d(1, 8, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8, 1, 4),
            nn.Flatten(),
        )
        self.networks: Mapping[str, nn.Module] = {"generator": generator, "discriminator": discriminator}
        self.phases: Sequence[Phase] = (
            Phase(name="discriminator", loss="discriminator", networks=("discriminator",), batches=2),
            Phase(name="generator", loss="generator", networks=("generator",)),
        )
        adam = OptimizerSpec(kind="adam", learning_rate=2e-3, betas=(0.5, 0.999), schedule="constant")
        self.optimizers = {"discriminator": adam, "generator": adam}
        self.averages = {"generator": 0.9}
        self.deployed = ("generator",)
        self.gradients: list[str] = []

    def losses(self, batch: Tensor, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        generator, discriminator = self.networks["generator"], self.networks["discriminator"]
        fake = generator(context.normal(len(batch), self.latent, 1, 1))
        self.gradients += [name for name, network in self.networks.items() if next(network.parameters()).requires_grad]
        if phase.name == "generator":
            return {"generator": functional.softplus(-discriminator(fake)).mean(), "judged": context.shared["judged"]}
        real, faked = discriminator(batch), discriminator(fake)
        context.shared["judged"] = (faked.detach() > 0).float().mean()
        return {"discriminator": (functional.softplus(-real) + functional.softplus(faked)).mean()}

    def sample(self, count: int, rng: torch.Generator) -> NDArray[np.uint8]:
        made = self.networks["generator"](torch.randn(count, self.latent, 1, 1, generator=rng))
        pixels: NDArray[np.uint8] = ((made[:, 0] + 1) * 127.5).round().byte().numpy()
        return pixels


class LazyStyleGan:
    """StyleGAN2 (Karras et al. 2020) in small: a mapping network at a hundredth of the rate, R1 every fourth step and
    path length every eighth, each with its main phase's optimizer (whose rate and betas are scaled by c = k / (k + 1),
    their Appendix B), the mean path length as state of the objective."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        generator = nn.ModuleDict({"mapping": mlp(3, 3), "synthesis": mlp(3, 64, end=nn.Tanh())})
        self.networks: Mapping[str, nn.Module] = {"generator": generator, "discriminator": mlp(64, 1)}
        self.phases: Sequence[Phase] = (
            Phase(name="g_main", loss="g_main", networks=("generator",), optimizer="g"),
            Phase(name="g_path", loss="g_path", networks=("generator",), optimizer="g", every=8),
            Phase(name="d_main", loss="d_main", networks=("discriminator",), optimizer="d"),
            Phase(name="d_r1", loss="d_r1", networks=("discriminator",), optimizer="d", every=4),
        )
        self.optimizers = {
            name: OptimizerSpec(
                kind="adam", learning_rate=2e-3 * c, betas=(0.0, 0.99**c), schedule="constant",
                rate_factors={"generator.mapping": 0.01} if name == "g" else {},
            )
            for name, c in (("g", 8 / 9), ("d", 4 / 5))
        }  # fmt: skip
        self.mean_path = torch.zeros(())

    def _made(self, count: int, context: StepContext) -> tuple[Tensor, Tensor]:
        parts = self.networks["generator"]
        assert isinstance(parts, nn.ModuleDict)
        styles = parts["mapping"](context.normal(count, 3))
        return styles, parts["synthesis"](styles)

    def losses(self, batch: Tensor, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        discriminator, real = self.networks["discriminator"], batch.flatten(1)
        if phase.name == "d_r1":
            real = real.requires_grad_()
            (gradient,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
            return {"d_r1": 10 / 2 * phase.every * gradient.square().sum(1).mean()}
        styles, fake = self._made(len(real), context)
        if phase.name == "g_path":
            noise = context.normal(len(real), 64) / 8
            (slopes,) = torch.autograd.grad((fake * noise).sum(), styles, create_graph=True)
            lengths = slopes.square().sum(1).sqrt()
            context.shared["path"] = lengths.detach()
            return {"g_path": phase.every * (lengths - self.mean_path).square().mean()}
        if phase.name == "g_main":
            return {"g_main": functional.softplus(-discriminator(fake)).mean()}
        return {"d_main": (functional.softplus(discriminator(fake)) + functional.softplus(-discriminator(real))).mean()}

    def after(self, phase: Phase, context: StepContext) -> None:
        if phase.name == "g_path":
            self.mean_path = self.mean_path.lerp(context.gather(context.shared["path"]).mean(), 0.01)

    def state_dict(self) -> Mapping[str, Tensor]:
        return {"mean_path": self.mean_path}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.mean_path = state["mean_path"].clone()


class Momentum:
    """Momentum contrast (He et al. 2020) in small: a key encoder that follows the query encoder, a queue of keys."""

    size = 24

    def __init__(self) -> None:
        torch.manual_seed(2)
        self.networks: Mapping[str, nn.Module] = {"query": mlp(64, 8), "key": mlp(64, 8)}
        self.networks["key"].load_state_dict(self.networks["query"].state_dict())
        self.phases: Sequence[Phase] = (Phase(name="contrast", loss="info_nce", networks=("query",)),)
        self.deployed = ("query",)
        self.queue = functional.normalize(torch.randn(self.size, 8), dim=1)

    def losses(self, batch: TwoViews, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        queries = functional.normalize(self.networks["query"](batch.first.flatten(1)), dim=1)
        keys = functional.normalize(self.networks["key"](batch.second.flatten(1)), dim=1)
        context.shared["keys"] = keys
        logits = torch.cat([(queries * keys).sum(1, keepdim=True), queries @ self.queue.T], dim=1) / 0.2
        return {"info_nce": functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64))}

    def after(self, phase: Phase, context: StepContext) -> None:
        for key, query in zip(self.networks["key"].parameters(), self.networks["query"].parameters(), strict=True):
            key.lerp_(query, 0.05)
        keys = context.gather(context.shared["keys"])
        self.queue = torch.cat([keys, self.queue])[: self.size]

    def state_dict(self) -> Mapping[str, Tensor]:
        return {"queue": self.queue}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.queue = state["queue"].clone()


class Cycle:
    """CycleGAN (Zhu et al. 2017) in small: two generators with one optimizer, two discriminators with one; a pool of
    former fakes for each domain, drawn from by the step's own chance."""

    pool_size = 16

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.networks: Mapping[str, nn.Module] = {
            "a_to_b": mlp(64, 64, end=nn.Tanh()), "b_to_a": mlp(64, 64, end=nn.Tanh()),
            "judge_a": mlp(64, 1), "judge_b": mlp(64, 1),
        }  # fmt: skip
        self.phases: Sequence[Phase] = (
            Phase(name="generators", loss="generators", networks=("a_to_b", "b_to_a")),
            Phase(name="judges", loss="judges", networks=("judge_a", "judge_b")),
        )
        adam = OptimizerSpec(kind="adam", learning_rate=2e-3, betas=(0.5, 0.999))
        self.optimizers = {"generators": adam, "judges": adam}
        self.averages = {"a_to_b": 0.9, "b_to_a": 0.99}
        self.deployed = ("a_to_b", "b_to_a")
        self.pools = {name: torch.zeros(0, 64) for name in ("a", "b")}

    def losses(self, batch: UnpairedBatch[Tensor], phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        real = {"a": batch.a.flatten(1), "b": batch.b.flatten(1)}
        if phase.name == "generators":
            fake = {"b": self.networks["a_to_b"](real["a"]), "a": self.networks["b_to_a"](real["b"])}
            again = {"a": self.networks["b_to_a"](fake["b"]), "b": self.networks["a_to_b"](fake["a"])}
            context.shared.update({name: fake[name].detach() for name in fake})
            fooled = sum((self.networks[f"judge_{n}"](fake[n]) - 1).square().mean() for n in fake)
            cycle = sum((again[n] - real[n]).abs().mean() for n in real)
            return {"generators": fooled + 10 * cycle, "cycle": torch.as_tensor(cycle)}
        apart = [
            (self.networks[f"judge_{n}"](real[n]) - 1).square().mean()
            + self.networks[f"judge_{n}"](self._pooled(n, context)).square().mean()
            for n in real
        ]
        return {"judges": torch.stack(apart).sum()}

    def _pooled(self, name: str, context: StepContext) -> Tensor:
        """The fakes of this step, every other one exchanged for a former one where there are any."""
        fake, pool = context.shared[name], self.pools[name]
        if not len(pool):
            return fake
        chosen = (context.uniform(len(fake)) * len(pool)).long()
        return torch.where(context.uniform(len(fake))[:, None] < 0.5, pool[chosen], fake)

    def after(self, phase: Phase, context: StepContext) -> None:
        if phase.name == "judges":
            for name in self.pools:
                self.pools[name] = torch.cat([context.gather(context.shared[name]), self.pools[name]])[: self.pool_size]

    def state_dict(self) -> Mapping[str, Tensor]:
        return {f"pool.{name}": pool for name, pool in self.pools.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.pools = {name: state[f"pool.{name}"].clone() for name in self.pools}


def sampler(ranks: Ranks, seed: int = 1) -> BatchSampler:
    return BatchSampler(
        torch.arange(EXAMPLES), batch_size=BATCH, seed=seed, rank=ranks.rank, world_size=ranks.world_size
    )


NAMES = [f"{i}.png" for i in range(EXAMPLES)]


def plain_batches(ranks: Ranks) -> SampledBatches[Tensor]:
    data = images(1, 0)
    return SampledBatches(sampler(ranks), NAMES, lambda positions, rng: data[positions])


def unpaired(ranks: Ranks) -> UnpairedBatches[Tensor]:
    first, second = images(1, 0), images(1, 1)
    return UnpairedBatches(
        SampledBatches(sampler(ranks, 1), NAMES, lambda positions, rng: first[positions]),
        SampledBatches(sampler(ranks, 2), NAMES, lambda positions, rng: second[positions]),
    )


def two_views(ranks: Ranks) -> SampledBatches[TwoViews]:
    data = images(1, 0)

    def view(positions: Tensor, rng: torch.Generator) -> Tensor:
        # A rank's chance is its own: several can equal one only without any.
        noise = torch.randn(len(positions), 1, 8, 8, generator=rng) if ranks.world_size == 1 and not QUIET else 0.0
        return data[positions] + 0.1 * noise

    return two_view_batches(sampler(ranks), NAMES, view)


TOYS: Mapping[str, Callable[[Ranks], tuple[Any, Any]]] = {
    "gan": lambda ranks: (Gan(), plain_batches(ranks)),
    "lazy-stylegan": lambda ranks: (LazyStyleGan(), plain_batches(ranks)),
    "momentum": lambda ranks: (Momentum(), two_views(ranks)),
    "cycle": lambda ranks: (Cycle(), unpaired(ranks)),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ToyJob:
    """A ``TrainingJob`` without data of its own: there is nothing to validate or test."""

    objective: Objective[object]
    batches: TrainingBatches[object]
    head: str | None = None
    has_validation: bool = False

    def validate(self, execution: Execution) -> ValidationScore:
        raise NotImplementedError

    def calibrate(self, execution: Execution) -> None: ...

    def test(self, execution: Execution) -> TestResult:
        raise NotImplementedError

    def bundle_files(self) -> Mapping[str, object]:
        return {}

    def network_card(self) -> NetworkCard:
        raise NotImplementedError


def built(name: str, folder: Path, ranks: Ranks, **changes: object) -> BuiltRun[object]:
    """The toy called ``name``, ready to go."""
    settings = {
        "optim.optimizer": "adamw", "optim.learning_rate": 1e-3, "optim.weight_decay": 0.0, "optim.clip": 5.0,
        "optim.warmup": 0.2, "optim.ema": 0.9, "train.batch_size": BATCH, "train.epochs": STEPS * BATCH / EXAMPLES,
        "train.checkpoint_steps": 3, "train.evaluations": 4,
    }  # fmt: skip
    objective, batches = TOYS[name](ranks)
    if name == "gan":
        settings["train.epochs"] = 2 * STEPS * BATCH / EXAMPLES  # two batches a step
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return build(
        Config().merged({**settings, **named}), ToyJob(objective=objective, batches=batches),
        checkpoints=folder / "checkpoints", ranks=ranks, stop=StopRequest(), execution=FLOAT32,
        samples=folder / "samples",
    )  # fmt: skip


def train(name: str, folder: Path, ranks: Ranks) -> None:
    """Train to the end, keeping events and the final weights as runs do."""
    folder.mkdir(parents=True, exist_ok=True)
    ready = built(name, folder, ranks)
    for event in ready.loop.run():
        if ranks.is_main:
            append_event(folder / "events.jsonl", event)
    if ranks.is_main:
        tensors = named_tensors(ready.job.objective.networks)
        write_atomic(folder / "final.safetensors", save({name: one.contiguous() for name, one in tensors.items()}))


def main(folder: str, *names: str) -> None:
    """Train each toy in a folder of its own below ``folder``."""
    with join_process_group() as ranks:
        for name in names:
            train(name, Path(folder) / name, ranks)


if __name__ == "__main__":
    main(*sys.argv[1:])
