"""The model of a text: a network and a linear model of its words and letters, weighted by what each is worth on texts
that it has not seen (Wolpert, "Stacked Generalization", Neural Networks 1992):

    p(y | x) = w · p_network(y | x) + (1 − w) · p_linear(y | x)

The linear model is fitted elsewhere, by liblinear (``capas.baselines.sparse_linear``).

Shapes: B texts, N (term, weight) pairs of all texts, F terms, O outputs.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capas.core.spec import OutputKind
from capas.decoding.output_activation import activate_outputs, outputs_of_activated
from capas.networks.checks import check_at_least_one


@dataclass(frozen=True, kw_only=True, slots=True)
class TextBlendConfig:
    """Configuration of ``TextBlend``.

    Attributes:
        terms: Number of terms of the linear model.
        outputs: Number of classes, tags or numbers.
        output: What they are.
        own_inputs: Whether the network has inputs of its own before the terms; else it takes the terms too.
    """

    terms: int
    outputs: int
    output: OutputKind
    own_inputs: bool

    def __post_init__(self) -> None:
        check_at_least_one(terms=self.terms, outputs=self.outputs)


class TextBlend(nn.Module):
    """A text → logits (log-probabilities for classes) or standardised numbers (B, O)."""

    def __init__(self, network: nn.Module, config: TextBlendConfig) -> None:
        super().__init__()
        self.config = config
        # Not learnt here; parameters all the same, so that whoever replaces a model's weights by noise gets all of it.
        self.linear_weight = nn.Parameter(torch.zeros(config.terms, config.outputs), requires_grad=False)
        self.linear_bias = nn.Parameter(torch.zeros(config.outputs), requires_grad=False)
        self.register_buffer("share", torch.ones(()))
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the outputs for the network's own inputs, if it has any, followed by indices (N), weights (N) and
        offsets (B) of the terms.
        """
        *own, indices, weights, offsets = inputs
        share, kind = self.get_buffer("share"), self.config.output
        answer = activate_outputs(self.network(*(own if self.config.own_inputs else inputs)), kind)
        linear = F.embedding_bag(indices, self.linear_weight, offsets, mode="sum", per_sample_weights=weights)
        mean = share * answer + (1 - share) * activate_outputs(linear + self.linear_bias, kind)
        return outputs_of_activated(mean, kind)
