"""The head on the vectors of a frozen encoder, and both together as one network."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.core.rng import derive_seed
from capas.engine.config import Config

MIN_SPREAD = 1e-6
TUNED = "features."  # what begins the names of a fine-tuned encoder's weights, beside those of the head


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorHeadConfig:
    """Configuration of ``VectorHead``.

    Attributes:
        features: Width of the vectors, D.
        num_outputs: Number of outputs, K.
    """

    features: int
    num_outputs: int

    def __post_init__(self) -> None:
        for name in ("features", "num_outputs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 1 or more")


class VectorHead(nn.Module):
    """A linear layer on vectors (B, D) → raw outputs (B, K).

    The vectors are brought to one common centre and to a mean square length of 1, so that one learning rate suits
    vectors of any width; logistic regression on such vectors is convex. The weights start at zero: every class is
    equally likely.
    """

    def __init__(self, config: VectorHeadConfig) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(config.features))
        self.register_buffer("length", torch.ones(()))
        self.linear = nn.Linear(config.features, config.num_outputs)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    @torch.no_grad()
    def fit_scale(self, vectors: Float[Tensor, "N D"]) -> None:
        """Set centre and length to those of the training vectors."""
        centre = vectors.mean(0)
        self.get_buffer("centre").copy_(centre)
        self.get_buffer("length").copy_((vectors - centre).square().sum(1).mean().sqrt().clamp(min=MIN_SPREAD))

    def keep(self, features: nn.Module) -> None:
        """Hold a fine-tuned encoder, so that its weights are saved with those of the head; it is not called here."""
        self.add_module(TUNED.removesuffix("."), features)

    def forward(self, vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Return raw outputs."""
        outputs: Tensor = self.linear((vectors - self.get_buffer("centre")) / self.get_buffer("length"))
        return outputs


def new_head(config: Config, vectors: Float[Tensor, "N D"], num_outputs: int) -> VectorHead:
    """Return the untrained head for training vectors, in training mode."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    head = VectorHead(VectorHeadConfig(features=vectors.shape[1], num_outputs=num_outputs))
    head.fit_scale(vectors)
    return head.train()


class HubImageClassifier(VectorHead):
    """An encoder of images with the head on its vectors: normalised pixels (B, 3, H, W) → raw outputs (B, K).

    Its weights have the names of ``VectorHead``'s; where others are loaded that lack the encoder's, it keeps its own.
    """

    def __init__(self, features: nn.Module, head: VectorHead) -> None:
        super().__init__(VectorHeadConfig(features=head.linear.in_features, num_outputs=head.linear.out_features))
        self.load_state_dict(head.state_dict())
        linear = self.linear
        del self.linear
        self.features = features
        self.linear = linear  # the last layer of all, as whoever looks for it expects
        self.register_load_state_dict_pre_hook(_keep_own_features)  # type: ignore[no-untyped-call]

    def forward(self, pixels: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Return raw outputs, with gradients to the pixels."""
        return super().forward(self.features({"pixel_values": pixels}))


def _keep_own_features(module: nn.Module, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
    for name, tensor in module.state_dict().items():
        if name.startswith(TUNED):
            state.setdefault(f"{prefix}{name}", tensor)
