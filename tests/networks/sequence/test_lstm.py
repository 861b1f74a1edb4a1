"""LSTMs: the equations, torch's kernel and torch.nn.LSTM are the same; the 1997 cell does what its paper says."""

import pytest
import torch
from torch import Tensor, nn

from capas.networks.sequence.lstm import LSTM, LSTMConfig
from capas.networks.sequence.lstm_1997 import LSTM1997, ElmanRNN, LSTM1997Config


def pair(config: LSTMConfig) -> tuple[LSTM, nn.LSTM]:
    """Ours by the equations, and torch's with the same weights, in float64."""
    ours = LSTM(config, fused=False).double()
    reference = nn.LSTM(
        config.in_features, config.hidden, config.layers, batch_first=True, bidirectional=config.bidirectional
    ).double()
    reference.load_state_dict(ours.state_dict())
    return ours, reference


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("lengths", [None, [4, 7, 1]])
def test_equals_torch_with_gradients(fused: bool, bidirectional: bool, layers: int, lengths: list[int] | None) -> None:
    ours, reference = pair(LSTMConfig(in_features=3, hidden=4, layers=layers, bidirectional=bidirectional))
    ours.fused = fused
    x = torch.randn(3, 7, 3, dtype=torch.double, requires_grad=True)
    if lengths is None:
        outputs, states = ours(x)
        expected, expected_states = reference(x)
    else:
        outputs, states = ours(x, torch.tensor(lengths))
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        expected, expected_states = reference(packed)
        expected, _ = nn.utils.rnn.pad_packed_sequence(expected, batch_first=True)
    wanted = [expected, *expected_states, *gradients(expected, expected_states, x, reference)]
    found = [outputs, *states, *gradients(outputs, states, x, ours)]
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=0)


def gradients(outputs: Tensor, states: tuple[Tensor, Tensor], x: Tensor, network: nn.Module) -> tuple[Tensor, ...]:
    """Of a value that every output, h and c bear on."""
    weight = torch.linspace(-1, 1, outputs.numel(), dtype=torch.double).reshape(outputs.shape)
    value = (outputs * weight).sum() + states[0].square().sum() + states[1].sin().sum()
    return torch.autograd.grad(value, [x, *(p for _, p in sorted(network.named_parameters()))])


def test_padding_is_invisible() -> None:
    """What stands beyond a sequence's end changes nothing, and comes out as zero."""
    network = LSTM(LSTMConfig(in_features=2, hidden=3, bidirectional=True, layers=2))
    x, lengths = torch.randn(3, 6, 2), torch.tensor([6, 2, 4])
    outputs, (h, c) = network(x, lengths)
    for row, n in enumerate(lengths.tolist()):
        alone, (h_alone, c_alone) = network(x[row : row + 1, :n])
        torch.testing.assert_close(outputs[row, :n], alone[0])
        torch.testing.assert_close((h[:, row], c[:, row]), (h_alone[:, 0], c_alone[:, 0]))
        assert outputs[row, n:].abs().sum() == 0


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("training", [False, True])
def test_outputs_alone_equal_those_of_the_equations_with_gradients(
    bidirectional: bool, layers: int, training: bool
) -> None:
    config = LSTMConfig(in_features=3, hidden=4, layers=layers, bidirectional=bidirectional)
    ours, reference = LSTM(config).train(training), LSTM(config, fused=False)
    reference.load_state_dict(ours.state_dict())
    x, lengths = torch.randn(3, 7, 3, requires_grad=True), torch.tensor([4, 7, 1])
    found, expected = ours.outputs(x, lengths), reference(x, lengths)[0]
    weight = torch.linspace(-1, 1, found.numel()).reshape(found.shape)
    for a, b in zip(
        [found, *torch.autograd.grad((found * weight).sum(), [x, *ours.parameters()])],
        [expected, *torch.autograd.grad((expected * weight).sum(), [x, *reference.parameters()])],
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert torch.equal(reference.outputs(x, lengths), expected)


def test_outputs_alone_drop_out_between_layers_while_training_only() -> None:
    network, x = LSTM(LSTMConfig(in_features=3, hidden=4, layers=2, dropout=0.5)), torch.randn(2, 4, 3)
    lengths = torch.tensor([4, 2])
    assert not torch.equal(network.outputs(x, lengths), network.outputs(x, lengths))
    assert torch.equal(network.eval().outputs(x, lengths), network.outputs(x, lengths))
    with pytest.raises(ValueError, match="lengths"):
        network.outputs(x, torch.tensor([5, 2]))


def test_dropout_acts_between_layers_while_training_only() -> None:
    x = torch.randn(2, 4, 3)
    for fused in (False, True):
        one = LSTM(LSTMConfig(in_features=3, hidden=4, dropout=0.5), fused=fused)
        two = LSTM(LSTMConfig(in_features=3, hidden=4, layers=2, dropout=0.5), fused=fused)
        assert torch.equal(one(x)[0], one(x)[0])
        assert not torch.equal(two(x)[0], two(x)[0])
        assert torch.equal(two.eval()(x)[0], two(x)[0])


@pytest.mark.parametrize("lengths", [[0, 3], [4, 3]])
def test_lengths_outside_the_sequence_are_refused(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="lengths"):
        LSTM(LSTMConfig(in_features=2, hidden=2))(torch.randn(2, 3, 2), torch.tensor(lengths))


def test_plain_recurrence_equals_torch() -> None:
    ours, reference = ElmanRNN(3, 5), nn.RNN(3, 5, batch_first=True)
    names = {"weight_ih_l0": "input.weight", "weight_hh_l0": "recurrent.weight", "bias_ih_l0": "input.bias"}
    state = {theirs: ours.state_dict()[name] for theirs, name in names.items()}
    reference.load_state_dict({**state, "bias_hh_l0": torch.zeros(5)})
    x = torch.randn(2, 6, 3)
    outputs, last = ours(x)
    torch.testing.assert_close(outputs, reference(x)[0])
    assert torch.equal(last, outputs[:, -1])


# Sections 5.1, 5.4 and 5.6: weights of the whole net, the output layer (cells → outputs) included.
@pytest.mark.parametrize(
    ("inputs", "blocks", "cells", "outputs", "cell_bias", "weights"),
    [(7, 4, 1, 7, False, 264), (7, 3, 2, 7, False, 276), (2, 2, 2, 1, True, 93), (8, 2, 2, 4, True, 156)],
)
def test_1997_has_the_papers_number_of_weights(
    inputs: int, blocks: int, cells: int, outputs: int, cell_bias: bool, weights: int
) -> None:
    cell = LSTM1997(LSTM1997Config(in_features=inputs, blocks=blocks, cells=cells, cell_bias=cell_bias))
    output = nn.Linear(blocks * cells, outputs, bias=cell_bias)
    assert sum(p.numel() for p in [*cell.parameters(), *output.parameters()]) == weights


def by_the_paper(network: LSTM1997, x: Tensor, *, cut: bool) -> Tensor:
    """One block, one cell at a time, the recurrence cut at every step."""
    blocks, cells = network.config.blocks, network.config.cells
    count = blocks * cells
    bias = torch.cat([network.bias, network.bias.new_zeros(len(network.weight) - len(network.bias))])
    sums: list[Tensor] = [x.new_zeros(len(x))] * count
    before, outputs = x.new_zeros(len(x), count + 2 * blocks), []
    for step in x.unbind(1):
        seen = torch.cat([step, before.detach() if cut else before], dim=1)
        net = [seen @ row + b for row, b in zip(network.weight, bias, strict=True)]
        gates = [torch.sigmoid(value) for value in net[: 2 * blocks]]
        out = []
        for k in range(count):
            block = k // cells
            sums[k] = sums[k] + gates[block] * (4 * torch.sigmoid(net[2 * blocks + k]) - 2)
            out.append(gates[blocks + block] * (2 * torch.sigmoid(sums[k]) - 1))
        outputs.append(torch.stack(out, dim=1))
        before = torch.cat([outputs[-1], torch.stack(gates, dim=1)], dim=1)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("truncated", [True, False])
@pytest.mark.parametrize("cell_bias", [True, False])
def test_1997_equals_its_equations_with_gradients(truncated: bool, cell_bias: bool) -> None:
    config = LSTM1997Config(
        in_features=3, blocks=2, cells=2, cell_bias=cell_bias, truncated=truncated, bound=1.0,
        output_gate_bias=(-1.0, -2.0),
    )  # fmt: skip
    network = LSTM1997(config).double()
    x = torch.randn(2, 9, 3, dtype=torch.double)
    ours, expected = network(x), by_the_paper(network, x, cut=truncated)
    torch.testing.assert_close(ours, expected, atol=1e-12, rtol=0)
    weight = torch.randn_like(ours)
    parameters = list(network.parameters())
    found = torch.autograd.grad((ours * weight).sum(), parameters)
    for a, b in zip(found, torch.autograd.grad((expected * weight).sum(), parameters), strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


def test_the_truncated_gradient_is_another_one() -> None:
    """Otherwise the test above would prove nothing."""
    network = LSTM1997(LSTM1997Config(in_features=3, blocks=2, cells=2, bound=1.0))
    x = torch.randn(2, 9, 3)
    cut, whole = (torch.autograd.grad(by_the_paper(network, x, cut=c).sum(), network.weight)[0] for c in (True, False))
    assert (cut - whole).abs().max() > 1e-2


def test_1997_remembers_without_end() -> None:
    """The constant error carousel: with its gates shut, a cell holds what it stored and the error flows undamped."""
    network = LSTM1997(LSTM1997Config(in_features=2, blocks=1, cells=1, bound=0.0))
    with torch.no_grad():
        # Stores input 0; the input gate opens only where input 1 is set.
        network.weight[0, 1], network.weight[2, 0], network.bias[0] = 40.0, 1.0, -20.0
    x = torch.zeros(1, 500, 2)
    x[0, 0] = torch.tensor([1.0, 1.0])
    x.requires_grad_()
    outputs = network(x)
    torch.testing.assert_close(outputs[0, 0], outputs[0, -1], atol=1e-5, rtol=0)
    early = torch.autograd.grad(outputs[0, 0, 0], x, retain_graph=True)[0][0, 0, 0]
    late = torch.autograd.grad(outputs[0, -1, 0], x)[0][0, 0, 0]
    torch.testing.assert_close(early, late, atol=1e-5, rtol=0)
    assert late > 0.05


def test_biases_of_gates_begin_where_asked() -> None:
    config = LSTM1997Config(
        in_features=1, blocks=2, cells=3, input_gate_bias=(-3.0, -6.0), output_gate_bias=(-1.0, -2.0)
    )
    assert LSTM1997(config).bias[:4].tolist() == [-3.0, -6.0, -1.0, -2.0]
    with pytest.raises(ValueError, match="output_gate_bias"):
        LSTM1997Config(in_features=1, blocks=2, cells=1, output_gate_bias=(-1.0,))


@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"layers": 0}, {"dropout": 1.0}])
def test_sizes_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LSTMConfig(**{"in_features": 2, "hidden": 2, **wrong})
