"""Wrapper modules for export: preprocessing before a network (scaling, spectrograms) and postprocessing behind it
(probabilities, units) as layers.

The discrete Fourier transform of a spectrogram is a convolution with cosines and sines here, since many runtimes lack
ONNX's own:  X_k = Σ_n w_n x_n (cos 2πkn/N − i sin 2πkn/N).

Legend: B batch, C channels, H×W pixels, N samples, M mel bands, T frames, K classes.
"""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from capas.data.audio.mel import POWER_FLOOR, MelConfig, mel_filter_bank
from capas.data.image.color import lab_to_rgb, rgb_to_lab
from capas.data.image.preprocess import ImagePreprocessing
from capas.networks.sequence.bilstm_crf import SequenceLabeller
from capas.networks.sequence.lstm import LSTM


class NormalisedImageInput(nn.Module):
    """Normalises images before ``network``: uint8 (B, C, H, W), of the size that ``preparation`` makes, → the network's
    output.
    """

    def __init__(self, network: nn.Module, preparation: ImagePreprocessing) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(preparation.mean).view(1, -1, 1, 1) * 255)
        self.register_buffer("scale", 1 / (torch.tensor(preparation.std).view(1, -1, 1, 1) * 255))

    def forward(self, pictures_BCHW: Tensor) -> Tensor:
        """Return the output for images with values 0..255."""
        mean, scale = self.get_buffer("mean"), self.get_buffer("scale")
        outputs: Tensor = self.network((pictures_BCHW.float() - mean) * scale)
        return outputs


class ProbabilityOutput(nn.Module):
    """Turns logits into probabilities, after division by a temperature.

    Args:
        network: Returns logits.
        exclusive: Softmax over ``dim``, else a sigmoid for each class.
        dim: Axis of the classes.
        temperature: Divisor of the logits, > 0.
    """

    def __init__(self, network: nn.Module, *, exclusive: bool = True, dim: int = 1, temperature: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.exclusive = exclusive
        self.dim = dim
        self.temperature = temperature

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return probabilities in [0, 1], of the shape of the logits."""
        outputs: Tensor = self.network(*inputs)
        logits = outputs / self.temperature
        return logits.softmax(self.dim) if self.exclusive else logits.sigmoid()


class DestandardisedOutput(nn.Module):
    """Brings standardised regression outputs (B, K) back to the user's units: times ``deviations``, plus ``means``."""

    def __init__(self, network: nn.Module, means: Sequence[float], deviations: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("means", torch.tensor(means, dtype=torch.float64))
        self.register_buffer("deviations", torch.tensor(deviations, dtype=torch.float64))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return values (B, K), float32, computed in float64 so that a large mean does not eat the digits."""
        outputs: Tensor = self.network(*inputs)
        return (outputs.double() * self.get_buffer("deviations") + self.get_buffer("means")).float()


class LogMelLayer(nn.Module):
    """Waveforms (B, N), float32 → standardised log-mel spectrograms (B, M, T), equal to those of
    ``capas.data.audio.mel.log_mel``.
    """

    def __init__(self, mel: MelConfig, *, mean: float, std: float) -> None:
        super().__init__()
        self.window, self.hop, self.mean, self.std = mel.window, mel.hop, mean, std
        samples = torch.arange(mel.window, dtype=torch.float64)
        angles = 2 * math.pi / mel.window * torch.arange(mel.window // 2 + 1)[:, None].double() * samples
        hann = torch.hann_window(mel.window, dtype=torch.float64)
        waves = torch.cat([angles.cos() * hann, -angles.sin() * hann])[:, None]
        self.register_buffer("waves", waves.float())
        self.register_buffer("filters", mel_filter_bank(mel).float())

    def forward(self, sounds_BN: Tensor) -> Tensor:
        """Return spectrograms; frame t is centred on sample t · hop."""
        half = self.window // 2
        padded = functional.pad(sounds_BN, (half, self.window - half))[:, None]
        real, imaginary = functional.conv1d(padded, self.get_buffer("waves"), stride=self.hop).chunk(2, dim=1)
        power = self.get_buffer("filters") @ (real.square() + imaginary.square())
        return (power.clamp(min=POWER_FLOOR).log() - self.mean) / self.std


class WaveformInput(nn.Module):
    """Computes spectrograms before ``network``, which takes spectrograms and their lengths: waveforms (B, N) of one
    length → the network's output.
    """

    def __init__(self, network: nn.Module, log_mel: LogMelLayer) -> None:
        super().__init__()
        self.network = network
        self.log_mel = log_mel

    def forward(self, sounds_BN: Tensor) -> Tensor:
        """Return the output for unpadded waveforms."""
        spectrograms = self.log_mel(sounds_BN)
        lengths = torch.full((spectrograms.shape[0],), spectrograms.shape[2], dtype=torch.long)
        outputs: Tensor = self.network(spectrograms, lengths)
        return outputs


class LogProbabilityOutput(nn.Module):
    """Log-probabilities of a CTC reader for one unpadded waveform (1, N) or line image (1, H, W).

    Args:
        reader: Called with inputs and None for their lengths; returns logits (1, T, K) and lengths.
        log_mel: Makes spectrograms of waveforms; None for line images (uint8, ink high), which are only scaled.
    """

    def __init__(self, reader: nn.Module, log_mel: LogMelLayer | None) -> None:
        super().__init__()
        self.reader = reader
        self.log_mel = log_mel

    def forward(self, one: Tensor) -> Tensor:
        """Return natural-log probabilities (1, T, K)."""
        values = one.float()[:, None] / 255 if self.log_mel is None else self.log_mel(one)
        logits, _ = self.reader(values, None)
        result: Tensor = logits.log_softmax(2)
        return result


class CRFEmissions(nn.Module):
    """Emission scores of a BiLSTM-CRF for one sentence: words (1, T), characters (1, T, C), features (1, T, F) → (1, T,
    K).

    The layers are those of ``SequenceLabeller.forward``, without what serves batches: padding, and encoding repeated
    words once. The best labels are a Viterbi search through these scores.
    """

    def __init__(self, labeller: SequenceLabeller) -> None:
        super().__init__()
        self.labeller = labeller

    def forward(self, words_BT: Tensor, characters_BTC: Tensor, features_BTF: Tensor) -> Tensor:
        """Return unbounded scores (1, T, K)."""
        net = self.labeller
        spelt = net.characters(characters_BTC.squeeze(0))[None]
        tables = [table(features_BTF[:, :, place]) for place, table in enumerate(net.features)]
        outputs, _ = net.lstm(torch.cat([net.words(words_BT), spelt, *tables], dim=2))
        emissions: Tensor = net.output(outputs)
        return emissions


class RestoredImage(nn.Module):
    """Images (B, C, H, W), uint8 → restored images, float32 in [0, 1]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures_BCHW: Tensor) -> Tensor:
        """Return the restored images, clipped to [0, 1]."""
        outputs: Tensor = self.network(pictures_BCHW.float() / 255)
        return outputs.clamp(0, 1)


class InpaintedImage(nn.Module):
    """Images (B, C, H, W), uint8, with masks (B, 1, H, W), uint8, 1 inside holes → images, float32 in [0, 1], unchanged
    outside the holes.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures_BCHW: Tensor, holes_B1HW: Tensor) -> Tensor:
        """Return the inpainted images; holes are filled with the mean first, as in
        ``capas.data.image.degradations.mask_out``.
        """
        pictures, holes = pictures_BCHW.float() / 255, holes_B1HW.float()
        known = 1 - holes
        mean = (pictures * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
        filled = pictures * known + mean * holes
        painted: Tensor = self.network(torch.cat([filled, holes], dim=1))
        return painted.clamp(0, 1) * holes + pictures * known


class ColourisedImage(nn.Module):
    """Images (B, 3, H, W), uint8 → images with the same lightness and predicted colours, float32 in [0, 1]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures_B3HW: Tensor) -> Tensor:
        """Return the colourised images, by way of CIE Lab."""
        lightness = rgb_to_lab(pictures_B3HW.float() / 255)[:, :1]
        return lab_to_rgb(torch.cat([lightness, self.network(lightness)], dim=1))


class OnnxLSTM(nn.Module):
    """An LSTM as the ONNX operator of that name, for the exporter only: in torch its output is meaningless. Torch's own
    operator loses the number of steps, and the exported network would take inputs of one length only.

    ONNX orders the gates i, o, f, g; torch i, f, g, o.
    """

    def __init__(self, lstm: LSTM) -> None:
        super().__init__()
        self.config = lstm.config
        per_layer = 2 if lstm.config.bidirectional else 1
        starts = range(0, len(lstm.names), per_layer)
        layers = [[_weights(lstm, start + side) for side in range(per_layer)] for start in starts]
        for number, sides in enumerate(layers):
            stacked = [torch.stack([_onnx_order(side[place]) for side in sides]) for place in range(4)]
            for name, tensor in (
                ("input", stacked[0]), ("state", stacked[1]), ("bias", torch.cat(stacked[2:], dim=1))
            ):  # fmt: skip
                self.register_buffer(f"{name}{number}", tensor.detach())

    def forward(self, x_BTD: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, T, H), twice: no exported network uses the states."""
        config, x_TBD = self.config, x_BTD.transpose(0, 1)
        sides = 2 if config.bidirectional else 1
        for number in range(config.layers):
            weights = [self.get_buffer(f"{name}{number}") for name in ("input", "state", "bias")]
            y_TSBH = torch.onnx.ops.symbolic(
                "LSTM",
                (x_TBD, *weights),
                {"hidden_size": config.hidden, "direction": "bidirectional" if sides == 2 else "forward"},
                dtype=torch.float32,
                shape=(x_TBD.shape[0], sides, x_TBD.shape[1], config.hidden),
            )
            x_TBD = y_TSBH.transpose(1, 2).flatten(2)
        outputs = x_TBD.transpose(0, 1)
        return outputs, outputs


def _weights(lstm: LSTM, number: int) -> list[Tensor]:
    return [lstm.get_parameter(name) for name in lstm.names[number]]


def _onnx_order(rows: Tensor) -> Tensor:
    i, f, g, o = rows.chunk(4)
    return torch.cat([i, o, f, g])


def replace_lstms_for_onnx(network: nn.Module) -> nn.Module:
    """Return a copy of ``network`` in evaluation mode, with every ``LSTM`` replaced by ``OnnxLSTM``."""
    copied = copy.deepcopy(network).eval()
    for name, module in list(copied.named_modules()):
        if isinstance(module, LSTM):
            parent, _, last = name.rpartition(".")
            setattr(copied.get_submodule(parent), last, OnnxLSTM(module))
    return copied
