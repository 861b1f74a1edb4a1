"""How long training would take, from a few steps on pictures of noise of the right size."""

import torch

from capas.data.look import Look
from capas.engine.build import build_network
from capas.engine.choose import choose_execution, measure
from capas.engine.config import Config
from capas.engine.plan import facts_of
from capas.engine.settle import settle


def estimate_seconds(config: Config, seen: Look) -> float | None:
    """Seconds of training as configured on this machine as busy as it is now; None when it would not be pictures."""
    if seen.statistics is None:
        return None
    facts = facts_of(seen)
    settled = settle(config, facts)
    if settled.config.train.time_s:
        return settled.config.train.time_s
    classes, size = len(facts.classes), int(settled.config.data.image_size)
    batch = min(int(settled.config.train.batch_size), max(1, facts.examples))
    network = build_network(settled.config, channels=settled.channels, num_classes=classes, fresh=False)
    images = torch.rand(batch, settled.channels, size, size, generator=torch.Generator().manual_seed(0))

    def loss(candidate: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
        outputs = candidate(pictures)
        logits: torch.Tensor = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
        return logits.float().logsumexp(1).mean()

    execution = choose_execution(settled.config.execution, network, images, loss, budget_s=2.0)
    measured = execution.measured or measure([execution], network, images, loss, budget_s=2.0)
    speed = max(m.examples_per_s for m in measured)
    # A quarter more for augmentation, validation and checkpoints, as measured on small pictures.
    return 1.25 * float(settled.config.train.epochs) * facts.examples / speed
