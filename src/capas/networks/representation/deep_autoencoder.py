"""Deep autoencoder: Hinton & Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313,
2006, pages 504-507.

Logistic layers narrow down to a linear code, and the same layers in reverse order lead back to the data:

    h₀ = x,  h_k = σ(W_k h_{k-1} + b_k),  code = W_K h_{K-1} + b_K,  and the mirror image of it for the decoder.

The paper's network for digits, 784-1000-500-250-30, has 2,837,314 numbers; the one for documents, 2000-500-250-125-2,
has 2,316,752 (its units of the 2000 words are a softmax: a distribution over words, fitted to their shares).

Where we deviate: weights do not begin with a stack of restricted Boltzmann machines, but as Glorot & Bengio,
"Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010, have them for logistic
units, with biases that centre units whose inputs are about one half; ``capas.objectives.autoencoding`` has a
layer-wise start. ``tied`` uses each weight matrix transposed in the decoder
throughout training; in the paper the two begin alike and part in fine-tuning. ``hidden`` "rectified" has rectified
linear units (Glorot, Bordes & Bengio, "Deep Sparse Rectifier Neural Networks", AISTATS 2011) in place of σ, begun as
He et al., "Delving Deep into Rectifiers", ICCV 2015 (arXiv:1502.01852), have them: as many numbers, learnt several
times as fast, which is why pictures and documents are learnt with them.

Of documents the first layer gets the square roots of the shares, scaled to one length, and logistic units there begin
without those biases: nearly all shares are zero and the others small, so that they would be lost among the biases.

Shapes: B batch, N numbers of an example, D numbers of a code.
"""

import itertools
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one

HiddenUnits = Literal["logistic", "rectified"]
OutputUnits = Literal["logistic", "softmax"]
IMAGE_LAYERS: Final = (1000, 500, 250)
LOGISTIC_GAIN: Final = 4.0  # a logistic unit has a slope of 1/4 at most: signals would fade from layer to layer
DOCUMENT_LAYERS: Final = (500, 250, 125)
DOCUMENT_LENGTH: Final = 10.0  # of a document as the first layer gets it: its sums then spread by about one


@runtime_checkable
class Reconstructs(Protocol):
    """A network that leads back from its codes to the data."""

    def reconstruct(self, inputs: Tensor) -> Tensor:
        """Return what the codes of ``inputs`` are decoded to, of the same shape."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeepAutoencoderConfig:
    """The paper's network for digits.

    Attributes:
        shape: Shape of an example; its numbers are N.
        layers: Widths of the layers between the data and the code.
        code: Numbers of the code.
        tied: Whether the decoder uses the encoder's weights, transposed.
        hidden: Units of those layers.
        output: Units that the data are: each in [0, 1] by itself, or shares that sum to one.
    """

    shape: tuple[int, ...] = (1, 28, 28)
    layers: tuple[int, ...] = IMAGE_LAYERS
    code: int = 30
    tied: bool = False
    hidden: HiddenUnits = "logistic"
    output: OutputUnits = "logistic"

    def __post_init__(self) -> None:
        check_at_least_one(code=self.code, **{f"shape[{i}]": side for i, side in enumerate(self.shape)})
        check_at_least_one(**{f"layers[{i}]": width for i, width in enumerate(self.layers)})

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths from the data to the code, both included."""
        numbers = 1
        for side in self.shape:
            numbers *= side
        return (numbers, *self.layers, self.code)


class DeepAutoencoder(nn.Module):
    """Examples (B, *shape) with numbers in [0, 1] → codes (B, D); ``decode`` leads back.

    ``forward`` gives the codes: as an encoder of a run it is used like any other.
    """

    def __init__(self, config: DeepAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        sizes = config.sizes
        last = len(sizes) - 2  # the code is linear, and the data have units of their own
        self.encoder = nn.ModuleList(
            _linear(
                before, after, config.hidden, linear=number == last, centred=number > 0 or config.output == "logistic"
            )
            for number, (before, after) in enumerate(itertools.pairwise(sizes))
        )
        if config.tied:
            self.decoder_biases = nn.ParameterList(
                nn.Parameter(_centring(layer.weight.T, config.hidden == "logistic" and number < last))
                for number, layer in enumerate(self.encoder)
                if isinstance(layer, nn.Linear)
            )
        else:
            self.decoder = nn.ModuleList(
                _linear(after, before, config.hidden, linear=number == 0, centred=number < last)
                for number, (before, after) in enumerate(itertools.pairwise(sizes))
            )

    @property
    def depth(self) -> int:
        """Number of layers of the encoder."""
        return len(self.encoder)

    @property
    def hidden_units(self) -> HiddenUnits:
        """Units of the layers between the data and the code."""
        return self.config.hidden

    def forward(self, inputs: Float[Tensor, "B ..."]) -> Float[Tensor, "B D"]:
        """Return the codes."""
        return self.encode_from(inputs.flatten(1), 0, self.depth)

    def encode_from(self, hidden: Float[Tensor, "B N"], start: int, end: int) -> Float[Tensor, "B M"]:
        """Return h_end, given h_start; h_0 are the data and h_depth the codes."""
        if start == 0 < end and self.config.output == "softmax":
            hidden = DOCUMENT_LENGTH * F.normalize(hidden.sqrt(), dim=1)
        for number in range(start, end):
            hidden = self.encoder[number](hidden)
            if number < self.depth - 1:
                hidden = self._activate(hidden)
        return hidden

    def decode_layer(self, hidden: Float[Tensor, "B M"], number: int) -> Float[Tensor, "B N"]:
        """Return h_number before its units, given what is decoded of h_{number+1}."""
        if self.config.tied:
            layer = self.encoder[number]
            assert isinstance(layer, nn.Linear)
            return F.linear(hidden, layer.weight.T, self.decoder_biases[number])
        logits: Tensor = self.decoder[number](hidden)
        return logits

    def decode_logits(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B N"]:
        """Return the data before their output units."""
        hidden = codes
        for number in reversed(range(1, self.depth)):
            hidden = self._activate(self.decode_layer(hidden, number))
        return self.decode_layer(hidden, 0)

    def decode(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, "B ..."]:
        """Return the data (B, *shape) that codes stand for, in [0, 1]."""
        logits = self.decode_logits(codes)
        values = logits.softmax(1) if self.config.output == "softmax" else torch.sigmoid(logits)
        return values.reshape(len(values), *self.config.shape)

    def reconstruct(self, inputs: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """Return what is decoded of the codes of ``inputs``."""
        return self.decode(self(inputs))

    def _activate(self, hidden: Tensor) -> Tensor:
        return F.relu(hidden) if self.config.hidden == "rectified" else torch.sigmoid(hidden)


def _linear(
    in_features: int, out_features: int, hidden: HiddenUnits, *, linear: bool, centred: bool = True
) -> nn.Linear:
    """A layer of a network with such hidden units; ``linear``: the one before the code or the data."""
    layer = nn.Linear(in_features, out_features)
    if hidden == "logistic":
        nn.init.xavier_normal_(layer.weight, gain=LOGISTIC_GAIN)
    elif linear:
        nn.init.xavier_normal_(layer.weight)
    else:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    with torch.no_grad():
        layer.bias.copy_(_centring(layer.weight, centred and hidden == "logistic"))
    return layer


def _centring(weight: Tensor, centred: bool) -> Tensor:
    """Biases (O,) that bring units with ``weight`` (O, I) to 0 where their inputs are one half; 0 without."""
    sums = weight.detach().sum(1)
    return -sums / 2 if centred else torch.zeros_like(sums)
