"""The memory cells of 1997: Hochreiter & Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; with the
plain recurrence of Elman, "Finding Structure in Time", Cognitive Science 14(2), 1990, as control.

    i, o = σ(W y + b)   g = 4σ(W_g y) - 2   s' = s + i·g   h(s) = 2σ(s) - 1   out = o·h(s')

with y = the inputs and, of the step before, the outputs of all cells *and gates*; one pair of gates serves a block of
cells. The paper's gradient is truncated (Appendix A.1): errors that reach a net input do not go further back, only the
sums s carry them through time. So what recurs is a constant for the gradient, and all steps' gradients are computed at
once, the sum over time being the only thing that links them; a test shows this to be the same as cutting the recurrence
step by step.

Shapes: B examples, T steps, D inputs, H units, K cells in all, G blocks.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class ElmanRNN(nn.Module):
    """h' = tanh(W x + U h + b): (B, T, D) → outputs (B, T, H) and the last state (B, H)."""

    def __init__(self, in_features: int, hidden: int) -> None:
        super().__init__()
        self.input = nn.Linear(in_features, hidden)
        self.recurrent = nn.Linear(hidden, hidden, bias=False)

    def forward(self, x_BTD: Float[Tensor, "B T D"]) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B H"]]:
        """Return the outputs (B, T, H) and the last one (B, H)."""
        from_input = self.input(x_BTD)
        h = from_input.new_zeros(len(x_BTD), from_input.shape[2])
        outputs = []
        for step in from_input.unbind(1):
            h = (step + self.recurrent(h)).tanh()
            outputs.append(h)
        return torch.stack(outputs, dim=1), h


@dataclass(frozen=True, kw_only=True, slots=True)
class LSTM1997Config:
    """Configuration of ``LSTM1997``.

    Attributes:
        in_features: Width of the inputs.
        blocks: Number of memory cell blocks.
        cells: Cells per block.
        input_gate_bias: Initial biases of the input gates, one per block; empty: as random as the weights. The paper
            starts some at -1, -2, -3 … so that cells are put to use one after the other.
        output_gate_bias: The same for the output gates.
        cell_bias: Whether cells have a bias too.
        truncated: Whether the gradient is truncated as in the paper.
        bound: Weights are initialised in ±bound.
    """

    in_features: int
    blocks: int
    cells: int
    input_gate_bias: tuple[float, ...] = ()
    output_gate_bias: tuple[float, ...] = ()
    cell_bias: bool = True
    truncated: bool = True
    bound: float = 0.1

    def __post_init__(self) -> None:
        for name, value in (("in_features", self.in_features), ("blocks", self.blocks), ("cells", self.cells)):
            if value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        for name, biases in (("input", self.input_gate_bias), ("output", self.output_gate_bias)):
            if len(biases) not in (0, self.blocks):
                raise ValueError(f"{name}_gate_bias has {len(biases)} values; expected one per block, or none")


class LSTM1997(nn.Module):
    """Memory cells without forget gate: (B, T, D) → the cells' outputs (B, T, blocks · cells), in [-1, 1].

    ``weight``: (2·blocks + K, D + K + 2·blocks), rows: input gates, output gates, cells.
    """

    def __init__(self, config: LSTM1997Config) -> None:
        super().__init__()
        self.config = config
        gates, cells = 2 * config.blocks, config.blocks * config.cells
        self.weight = nn.Parameter(torch.empty(gates + cells, config.in_features + gates + cells))
        self.bias = nn.Parameter(torch.empty(gates + (cells if config.cell_bias else 0)))
        for parameter in (self.weight, self.bias):
            nn.init.uniform_(parameter, -config.bound, config.bound)
        with torch.no_grad():
            for start, biases in ((0, config.input_gate_bias), (config.blocks, config.output_gate_bias)):
                self.bias[start : start + len(biases)] = torch.tensor(biases)

    def forward(self, x_BTD: Float[Tensor, "B T D"]) -> Float[Tensor, "B T K"]:
        """Return the cells' outputs at every step, (B, T, K)."""
        if not self.config.truncated:
            return self._unroll(x_BTD)[0]
        with torch.no_grad():
            cells_BTK, gates_BTG = self._unroll(x_BTD)
        # What a step receives of the one before, as constants; then every step's gradient at once.
        before = functional.pad(torch.cat([cells_BTK, gates_BTG], dim=2), (0, 0, 1, 0))[:, :-1]
        i, o, g = self._squash(functional.linear(torch.cat([x_BTD, before], dim=2), self.weight, self._biases()))
        return o * (2 * (i * g).cumsum(dim=1).sigmoid() - 1)

    def _unroll(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        gates, cells = 2 * self.config.blocks, self.config.blocks * self.config.cells
        sums = x_BTD.new_zeros(len(x_BTD), cells)
        recurrent = x_BTD.new_zeros(len(x_BTD), cells + gates)
        from_input, from_before = self.weight.tensor_split([self.config.in_features], dim=1)
        steps = []
        for step in functional.linear(x_BTD, from_input, self._biases()).unbind(1):
            net = torch.addmm(step, recurrent, from_before.T)
            i, o, g = self._squash(net)
            sums = sums + i * g
            recurrent = torch.cat([o * (2 * sums.sigmoid() - 1), net[:, :gates].sigmoid()], dim=1)
            steps.append(recurrent)
        outputs, kept = torch.stack(steps, dim=1).tensor_split([cells], dim=2)
        return outputs, kept

    def _squash(self, net: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Net inputs (…, 2G + K) → input and output gates of every cell (0..1) and the cell inputs (-2..2)."""
        blocks, cells = self.config.blocks, self.config.cells
        i, o = (gate.repeat_interleave(cells, dim=-1) for gate in net[..., : 2 * blocks].sigmoid().chunk(2, dim=-1))
        return i, o, 4 * net[..., 2 * blocks :].sigmoid() - 2

    def _biases(self) -> Tensor:
        return functional.pad(self.bias, (0, len(self.weight) - len(self.bias)))
