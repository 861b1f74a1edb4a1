"""Two tiny networks that learn against each other, as a judge and a forger do: for testing what the engine does with
any objective.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from capas.engine.config import OptimConfig, TrainConfig
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import Loop, StopRequest, ValidationScore
from capas.engine.optim import Optimizer
from capas.engine.step import TrainingStepper
from capas.objectives.base import Phase, StepContext

FLOAT32 = Execution(device="cpu", precision="float32", memory_format="contiguous", threads=1, reason="")
RATES = {"judge": 0.01, "forger": 0.002}


class Duel:
    """``judge`` learns at every step, ``forger`` at every other; their losses pull on both networks."""

    def __init__(self, *, dropout: float = 0.0) -> None:
        torch.manual_seed(3)
        self.judge = nn.Sequential(nn.Linear(2, 2), nn.Dropout(dropout))
        self.forger = nn.Linear(2, 2)
        self.calls: list[str] = []
        self.poison: tuple[str, int] | None = None

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"judge": self.judge, "forger": self.forger}

    @property
    def phases(self) -> Sequence[Phase]:
        return (
            Phase(name="judge", loss="judged", networks=("judge",)),
            Phase(name="forger", loss="forged", networks=("forger",), every=2),
        )

    def losses(self, batch: Tensor, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        self.calls.append(phase.name)
        noise = torch.rand(2, generator=context.rng)
        both = self.judge(self.forger(batch + 0.1 * noise))
        sign = 1 if phase.name == "judge" else -1
        loss = (both - sign * batch).square().mean()
        if self.poison == (phase.name, self.calls.count(phase.name)):
            loss = loss * float("nan")
        return {phase.loss: loss}


class Numbers:
    """The batch of a step is drawn from its number."""

    steps_per_epoch = 4.0

    def iterate(self, start: int) -> Iterator[Tensor]:
        while True:
            yield torch.randn(5, 2, generator=torch.Generator().manual_seed(start))
            start += 1

    def names(self, step: int) -> list[str]:
        return [f"{step}/{i}.png" for i in range(8)]


class Judges:
    """Validation by a list of scores, one for each time it is asked."""

    def __init__(self, *scores: float, loss: float = 1.0) -> None:
        self.scores = list(scores)
        self.loss = loss
        self.asked = 0

    def __call__(self) -> ValidationScore:
        self.asked += 1
        return ValidationScore(metric="accuracy", value=self.scores[self.asked - 1], loss=self.loss, n=10)


def stepper(duel: Duel, *, ranks: Ranks | None = None) -> TrainingStepper[Tensor]:
    optimizers = {
        name: Optimizer(
            torch.optim.SGD([{"params": list(network.parameters()), "peak": RATES[name]}], lr=0.0, momentum=0.9),
            warmup=0.2, schedule="one-cycle",
        )
        for name, network in duel.networks.items()
    }  # fmt: skip
    return TrainingStepper(objective=duel, optimizers=optimizers, execution=FLOAT32, ranks=ranks or Ranks(), seed=1)


def loop(
    duel: Duel,
    checkpoints: Path,
    *,
    steps: int = 20,
    train: Mapping[str, object] | None = None,
    ema: float = 0.0,
    evaluate: Judges | None = None,
    stop: StopRequest | None = None,
) -> Loop[Tensor]:
    return Loop(
        stepper=stepper(duel),
        batches=Numbers(),
        train=TrainConfig.model_validate({"checkpoint_steps": 1000, **(train or {})}),
        optim=OptimConfig(ema=ema),
        checkpoints=checkpoints,
        batch_size=5,
        examples=20,
        total_steps=steps,
        learning_rate=0.1,
        evaluate=evaluate,
        stop=stop or StopRequest(),
    )


def weights(duel: Duel) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name, network in duel.networks.items()
        for key, value in network.state_dict().items()
    }
