"""LSTM: Hochreiter & Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; forget gates after Gers,
Schmidhuber & Cummins, "Learning to Forget", Neural Computation 12(10), 2000.

    i = σ(W_i x + U_i h + b_i)   f = σ(W_f x + U_f h + b_f)   g = tanh(W_g x + U_g h + b_g)   o = σ(W_o x + U_o h + b_o)
    c' = f ⊙ c + i ⊙ g           h' = o ⊙ tanh(c')

Where we deviate: ``LSTM`` has torch's two biases per gate and its parameter names, so that weights can be exchanged; it
runs torch's fused kernel unless ``fused`` is off, and the equations above are what a test holds it to. The cells of
1997, without forget gate, are in ``lstm_1997.py``.

Shapes: B examples, T steps, D inputs, H units.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

State = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class LSTMConfig:
    """Configuration of ``LSTM``.

    Attributes:
        in_features: Width of the inputs.
        hidden: Units per layer and direction.
        layers: Number of layers.
        bidirectional: Whether each layer also reads backwards.
        dropout: Share of units dropped between layers while training, in [0, 1).
    """

    in_features: int
    hidden: int
    layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("in_features", self.in_features), ("hidden", self.hidden), ("layers", self.layers)):
            if value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected 0 ≤ value < 1")

    @property
    def out_features(self) -> int:
        """Width of the outputs: both directions concatenated."""
        return self.hidden * (2 if self.bidirectional else 1)


class LSTM(nn.Module):
    """Stacked LSTM layers, uni- or bidirectional; parameters as in ``torch.nn.LSTM`` (``weight_ih_l0`` …)."""

    def __init__(self, config: LSTMConfig, *, fused: bool = True) -> None:
        super().__init__()
        self.config, self.fused = config, fused
        self.names: list[tuple[str, ...]] = []
        bound = 1 / math.sqrt(config.hidden)
        for layer in range(config.layers):
            width = config.in_features if layer == 0 else config.out_features
            for suffix in ("", "_reverse") if config.bidirectional else ("",):
                rows = 4 * config.hidden
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, config.hidden)}
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                for name, shape in shapes.items():
                    parameter = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
                    self.register_parameter(f"{name}_l{layer}{suffix}", parameter)
                self.names.append(tuple(f"{name}_l{layer}{suffix}" for name in shapes))

    def forward(
        self, x_BTD: Float[Tensor, "B T D"], lengths_B: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B T H"], State]:
        """Return outputs (B, T, out_features) and the last states (h, c), each (layers · directions, B, hidden).

        ``lengths_B`` (1..T) says where each sequence ends: outputs beyond are zero, the last state is that of its last
        step, and the backward direction begins there. Raises ValueError on lengths outside 1..T.
        """
        if lengths_B is not None:
            _check_lengths(lengths_B, x_BTD.shape[1])
        if self.fused:
            return self._fused(x_BTD, lengths_B)
        if lengths_B is None:
            lengths_B = x_BTD.new_full((len(x_BTD),), x_BTD.shape[1], dtype=torch.long)
        return self._by_the_equations(x_BTD, lengths_B)

    def outputs(self, x_BTD: Float[Tensor, "B T D"], lengths_B: Int[Tensor, " B"]) -> Float[Tensor, "B T H"]:
        """Return the outputs of ``forward`` without its last states.

        Nothing is packed: the backward direction reads each sequence reversed within its length. Where lengths are
        similar a training step takes half the time of the packed kernel, and in bfloat16 a quarter (measured with 16
        sentences of 32 words and 128 units on a CPU).
        """
        _check_lengths(lengths_B, x_BTD.shape[1])
        if not self.fused:
            return self._by_the_equations(x_BTD, lengths_B)[0]
        steps_BT = torch.arange(x_BTD.shape[1], device=x_BTD.device).expand(len(x_BTD), -1)
        given_BT1 = (steps_BT < lengths_B[:, None])[:, :, None]
        turned_BT1 = torch.where(given_BT1[:, :, 0], lengths_B[:, None] - 1 - steps_BT, steps_BT)[:, :, None]
        directions = 2 if self.config.bidirectional else 1
        outputs, parts = x_BTD, list[Tensor]()
        for number, weights in enumerate(self._weights()):
            parts.append(_run_fused(outputs, weights, turned_BT1 if number % directions else None))
            if len(parts) == directions:
                outputs, parts = torch.cat(parts, dim=2), []
                if number + 1 < len(self.names):
                    outputs = functional.dropout(outputs, self.config.dropout, self.training)
        return outputs.masked_fill(~given_BT1, 0.0)

    def _weights(self) -> Iterator[tuple[Tensor, ...]]:
        for names in self.names:
            yield tuple(self.get_parameter(name) for name in names)

    def _fused(self, x_BTD: Tensor, lengths_B: Tensor | None) -> tuple[Tensor, State]:
        config = self.config
        weights = [weight for layer in self._weights() for weight in layer]
        zeros = x_BTD.new_zeros(len(self.names), len(x_BTD), config.hidden)
        setting = (True, config.layers, config.dropout, self.training, config.bidirectional)
        if lengths_B is None:
            outputs, h, c = torch.lstm(x_BTD, (zeros, zeros), weights, *setting, True)
            return outputs, (h, c)
        packed = pack_padded_sequence(x_BTD, lengths_B.cpu(), batch_first=True, enforce_sorted=False)
        data, h, c = torch.lstm(packed.data, packed.batch_sizes, (zeros, zeros), weights, *setting)
        again = PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        outputs, _ = pad_packed_sequence(again, batch_first=True, total_length=x_BTD.shape[1])
        return outputs, (h[:, packed.unsorted_indices], c[:, packed.unsorted_indices])

    def _by_the_equations(self, x_BTD: Tensor, lengths_B: Tensor) -> tuple[Tensor, State]:
        given_BT = torch.arange(x_BTD.shape[1], device=x_BTD.device) < lengths_B[:, None]
        directions = 2 if self.config.bidirectional else 1
        outputs, states, parts = x_BTD, [], []
        for number, weights in enumerate(self._weights()):
            backward = number % directions == 1
            part, state = run_direction(outputs, given_BT, weights, backward=backward)
            parts.append(part)
            states.append(state)
            if len(parts) == directions:
                outputs, parts = torch.cat(parts, dim=2), []
                if number + 1 < len(self.names):
                    outputs = functional.dropout(outputs, self.config.dropout, self.training)
        return outputs, (torch.stack([h for h, _ in states]), torch.stack([c for _, c in states]))


def _check_lengths(lengths_B: Tensor, steps: int) -> None:
    if not (lengths_B.min() >= 1 and lengths_B.max() <= steps):
        raise ValueError(f"lengths are {lengths_B.tolist()}; expected 1..{steps}")


def _run_fused(x_BTD: Tensor, weights: tuple[Tensor, ...], turned_BT1: Tensor | None) -> Tensor:
    """One layer in one direction; ``turned_BT1`` says which step to read in the place of each, and to write to."""
    if turned_BT1 is not None:
        x_BTD = x_BTD.gather(1, turned_BT1.expand(-1, -1, x_BTD.shape[2]))
    zeros = x_BTD.new_zeros(1, len(x_BTD), weights[1].shape[1])
    # Without dropout "training" means only that a gradient may be asked for; cuDNN has none to give otherwise.
    outputs = torch.lstm(x_BTD, (zeros, zeros), weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)[0]
    return outputs if turned_BT1 is None else outputs.gather(1, turned_BT1.expand(-1, -1, outputs.shape[2]))


def run_direction(
    x_BTD: Float[Tensor, "B T D"], mask_BT: Bool[Tensor, "B T"], weights: tuple[Tensor, ...], *, backward: bool
) -> tuple[Float[Tensor, "B T H"], State]:
    """Run one layer in one direction; where ``mask_BT`` is false the state is kept and the output is zero."""
    h = c = x_BTD.new_zeros(len(x_BTD), weights[1].shape[1])
    outputs = [h] * x_BTD.shape[1]
    steps = range(x_BTD.shape[1])
    for t in reversed(steps) if backward else steps:
        here = mask_BT[:, t, None]
        next_h, next_c = lstm_step(x_BTD[:, t], (h, c), weights)
        h, c = torch.where(here, next_h, h), torch.where(here, next_c, c)
        outputs[t] = torch.where(here, next_h, 0.0)
    return torch.stack(outputs, dim=1), (h, c)


def lstm_step(x_BD: Float[Tensor, "B D"], state: State, weights: tuple[Tensor, ...]) -> State:
    """Return the next (h, c), each (B, H). ``weights``: (4H, D), (4H, H), (4H), (4H), in the order i f g o."""
    h, c = state
    from_input, from_state, bias, another_bias = weights
    i, f, g, o = (x_BD @ from_input.T + h @ from_state.T + bias + another_bias).chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c
