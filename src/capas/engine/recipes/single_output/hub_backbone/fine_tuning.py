"""Fine-tuning of an encoder together with its head, kept only where the validation split gains beyond noise.

The encoder computes in evaluation mode throughout: without dropout, and with its statistics of normalisation frozen, so
that a run that is resumed before it ends in the same weights. The rate falls linearly to zero.
"""

import copy
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.core.rng import seeded_generator
from capas.data.batch import Batch
from capas.engine.config import Config
from capas.engine.encoders.hub_encoder import HubFeatures
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.hub_backbone.head import VectorHead
from capas.metrics.bootstrap import mean_with_interval
from capas.objectives.base import Objective, StepContext

EPOCHS: Final = 3
BATCH: Final = 16
HEAD_RATE: Final = 2e-4
MAX_FACTOR: Final = 0.1  # of the head's rate, for what was learnt on far more examples than these
MIN_PROBABILITY: Final = 1e-7

Inputs = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuning:
    """What was tried.

    Attributes:
        kept: Whether the fine-tuned weights are better beyond noise: the 95 % interval of the paired difference of the
            validation losses lies above zero.
        frozen_loss: Mean loss of the validation split with the frozen encoder.
        tuned_loss: The same with the fine-tuned one, after its best epoch.
        n: Number of validation examples.
        features: The fine-tuned encoder.
        head: The head trained with it.
    """

    kept: bool
    frozen_loss: float
    tuned_loss: float
    n: int
    features: HubFeatures
    head: VectorHead

    def text(self) -> str:
        """Return what came of it, in words."""
        frozen, tuned = (format_decimal(loss, 3) for loss in (self.frozen_loss, self.tuned_loss))
        if self.kept:
            return say("hub.fine_tuning.kept", frozen=frozen, tuned=tuned, n=self.n)
        return say("hub.fine_tuning.rejected", frozen=frozen, tuned=tuned, n=self.n)

    def as_json(self) -> dict[str, object]:
        """Return the entry of ``metrics.json``; losses of the validation split."""
        losses = {"frozen_loss": round(self.frozen_loss, 6), "tuned_loss": round(self.tuned_loss, 6)}
        return {"kept": self.kept, **losses, "n": self.n, "text": self.text()}


class TunedClassifier(nn.Module):
    """An encoder with its head: inputs of any lengths, one after another → raw outputs (B, K) in their order."""

    def __init__(self, features: HubFeatures, head: VectorHead) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, inputs: Sequence[Inputs]) -> Float[Tensor, "B K"]:
        """Return raw outputs; inputs of one shape are computed together."""
        device = self.head.linear.weight.device
        groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for i, one in enumerate(inputs):
            groups[tuple((key, tuple(tensor.shape)) for key, tensor in one.items())].append(i)
        rows: dict[int, Tensor] = {}
        for members in groups.values():
            batch = {key: torch.cat([inputs[i][key] for i in members]).to(device) for key in inputs[members[0]]}
            rows.update(zip(members, self.head(self.features(batch)), strict=True))
        return torch.stack([rows[i] for i in range(len(inputs))])


def fine_tune(
    features: HubFeatures,
    head: VectorHead,
    output_head: OutputHead,
    targets: Tensor,
    splits: Mapping[str, Tensor],
    inputs: Callable[[int], Inputs],
    config: Config,
    *,
    learning_rate: float = HEAD_RATE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FineTuning | None:
    """Train copies of an encoder and its trained head together for at most three epochs.

    Args:
        features: The frozen encoder.
        head: The head trained on its vectors.
        output_head: The kind of output, fitted to the training targets.
        targets: Those of all examples.
        splits: Positions of "train" and "validation".
        inputs: Returns the encoder's inputs of one example by its position.
        config: ``optim.backbone_rate`` is the encoder's share of the rate, at most 0.1; ``train.time_s``, where it is
            not 0, the most seconds that may pass.
        learning_rate: Of the head, at the beginning.
        progress: Called with (batches done, batches).

    Returns:
        What came of it; None where the share is 0, there is no validation split, or time was up in the first epoch.
    """
    train, validation = splits["train"], splits["validation"]
    share = min(config.optim.backbone_rate, MAX_FACTOR)
    if share == 0 or not len(validation):
        return None
    copies = copy.deepcopy(features).requires_grad_(True), copy.deepcopy(head)
    network = TunedClassifier(*copies).to(head.linear.weight.device).eval()
    frozen = _losses(network, output_head, inputs, validation, targets, train)
    best: tuple[Tensor, dict[str, Tensor]] | None = None
    objective = output_head.objective(network, targets[train], config)
    rates = (learning_rate * share, learning_rate)
    for _ in _epochs(network, objective, rates, targets, train, inputs, config, progress):
        tuned = _losses(network, output_head, inputs, validation, targets, train)
        if best is None or tuned.mean() < best[0].mean():
            best = tuned, {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if best is None:
        return None
    network.load_state_dict(best[1])
    network.requires_grad_(False)
    gain = mean_with_interval(frozen - best[0])
    return FineTuning(
        kept=gain.interval is not None and gain.interval[0] > 0, frozen_loss=float(frozen.mean()),
        tuned_loss=float(best[0].mean()), n=len(validation), features=network.features.cpu(), head=network.head.cpu(),
    )  # fmt: skip


def _epochs(
    network: TunedClassifier,
    objective: Objective[object],
    rates: tuple[float, float],
    targets: Tensor,
    train: Tensor,
    inputs: Callable[[int], Inputs],
    config: Config,
    progress: Callable[[int, int], None],
) -> Iterator[int]:
    """Train the encoder and its head, at their ``rates``, and yield the number of every epoch that ended in time."""
    parts = zip((network.features, network.head), rates, strict=True)
    optimizer = torch.optim.AdamW(
        [{"params": part.parameters(), "lr": rate} for part, rate in parts], weight_decay=1e-2
    )
    device = network.head.linear.weight.device
    steps, started, done = EPOCHS * -(-len(train) // BATCH), time.perf_counter(), 0
    for epoch in range(EPOCHS):
        rng = seeded_generator(config.train.seed, "fine_tuning", epoch)
        for part in torch.split(train[torch.randperm(len(train), generator=rng)], BATCH):
            if config.train.time_s and time.perf_counter() - started > config.train.time_s:
                return
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * (1 - done / steps)
            batch = Batch(inputs=[inputs(i) for i in part.tolist()], targets=targets[part].to(device), positions=part)
            context = StepContext(step=done, progress=done / steps, rng=rng)
            losses = objective.losses(batch, objective.phases[0], context)
            optimizer.zero_grad()
            losses["loss"].backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            progress(done := done + 1, steps)
        yield epoch


@torch.no_grad()
def _losses(
    network: TunedClassifier,
    output_head: OutputHead,
    inputs: Callable[[int], Inputs],
    positions: Tensor,
    targets: Tensor,
    train: Tensor,
) -> Float[Tensor, " N"]:
    """The loss of each example: log loss of a class or of its tags, squared error of numbers by their variance."""
    outputs = [network([inputs(i) for i in part.tolist()]) for part in torch.split(positions, BATCH)]
    predicted, wanted = output_head.activate(torch.cat(outputs).float().cpu()), targets[positions]
    if output_head.as_json().get("kind") == "class":
        return -predicted.gather(1, wanted[:, None])[:, 0].clamp(min=MIN_PROBABILITY).log()
    if output_head.as_json().get("kind") == "tags":
        share = predicted.clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        return -torch.where(wanted > 0, share.log(), (1 - share).log()).mean(1)
    spread = targets[train].std(0).clamp(min=1e-6)
    return ((predicted - wanted) / spread).square().mean(1)
