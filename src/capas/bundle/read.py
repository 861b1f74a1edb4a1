"""Reading a bundle: nothing in it is executed. A pickle is refused with the reason and the way out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from capas.bundle.card import Card, read_card
from capas.bundle.write import ANSWERS, CAPTIONS, CARD, MODEL, NGRAMS, PREPARATION
from capas.core.errors import CapasError
from capas.core.files import content_hash, hash_file, open_regular, read_regular
from capas.core.inert_text import inert
from capas.core.parsing import parse_json

MAX_WEIGHTS_BYTES: Final = 16_000_000_000
MAX_FILE_BYTES: Final = 1_000_000_000
PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".h5", ".keras", ".npy", ".npz"}
# A pickle of protocol 2 to 5 starts with 0x80 and the protocol; torch's own files are ZIP archives around one.
PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A bundle as read.

    Attributes:
        folder: Where it lies.
        card: Its card.
        tensors: Weights by name.
        files: JSON objects beside the weights, by file name.
    """

    folder: Path
    card: Card
    tensors: Mapping[str, Tensor]
    files: Mapping[str, Mapping[str, object]]

    def file(self, name: str) -> Mapping[str, object]:
        """Return the JSON object ``name``. Raises CapasError ``bundle_incomplete``."""
        if name not in self.files:
            raise CapasError("bundle_incomplete", where=self.folder / name, received="–")
        return self.files[name]

    def fill(self, network: nn.Module) -> nn.Module:
        """Load the weights into ``network`` and return it in evaluation mode. Raises CapasError ``bundle_incomplete``
        where they do not fit.
        """
        for name, own in network.state_dict().items():  # torch would convert them, and drop an imaginary part
            given = self.tensors.get(name, own)
            if given.is_floating_point() != own.is_floating_point() or given.is_complex():
                received = f"{inert(name)}: {given.dtype}"
                raise CapasError("bundle_incomplete", where=self.folder / MODEL, received=received)
        try:
            network.load_state_dict(dict(self.tensors))
        except RuntimeError as error:
            raise CapasError("bundle_incomplete", where=self.folder / MODEL, received=str(error)[:200]) from error
        return network.eval()


def read_bundle(folder: Path) -> Bundle:
    """Read the bundle in ``folder``. Raises CapasError where there is none, or it is a pickle, altered or
    incomplete.
    """
    if folder.is_file():
        refuse_pickle(folder)
    if not folder.is_dir():
        raise CapasError("no_such_bundle", where=folder)
    if not (folder / CARD).is_file():
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix.lower() in PICKLE_SUFFIXES:
                refuse_pickle(path)
        raise CapasError("not_a_bundle", where=folder)
    card = read_card(folder / CARD)
    try:
        weights = read_regular(folder / MODEL, max_bytes=MAX_WEIGHTS_BYTES)
    except OSError as error:
        raise CapasError("bundle_incomplete", where=folder / MODEL, received=error.strerror or "") from error
    if content_hash(weights) != card.weights.hash:
        raise CapasError("bundle_altered", where=folder / MODEL, received=content_hash(weights)[:8])
    try:
        tensors = load(weights)
    except SafetensorError as error:
        raise CapasError("bundle_incomplete", where=folder / MODEL, received=str(error)[:200]) from error
    # A tree may ask whether a value is there at all: x ≤ ∞.
    if not all(_is_finite(tensor, bounds=name.endswith("threshold")) for name, tensor in tensors.items()):
        raise CapasError("bundle_not_finite", where=folder / MODEL)
    contents = {name: _listed(folder, name, hash) for name, hash in card.files.items()}
    known = (PREPARATION, ANSWERS, NGRAMS, CAPTIONS)
    files = {name: _json(folder / name, contents[name]) for name in known if name in contents}
    return Bundle(folder=folder, card=card, tensors=tensors, files=files)


def refuse_pickle(path: Path) -> None:
    """Raise CapasError: ``pickle_refused`` for a pickle (by first bytes or suffix), else ``not_a_bundle``."""
    with open_regular(path) as stream:
        start = stream.read(4)
    if start.startswith(PICKLE_STARTS) or path.suffix.lower() in PICKLE_SUFFIXES:
        raise CapasError("pickle_refused", where=path, received=path.suffix or "pickle")
    raise CapasError("not_a_bundle", where=path)


def _is_finite(tensor: Tensor, *, bounds: bool) -> bool:
    """Whether a tensor holds numbers alone, neither NaN nor (but for ``bounds``) infinity."""
    if not tensor.is_floating_point():
        return True
    values = tensor.float() if tensor.element_size() == 1 else tensor  # numbers of 8 bits have no test of their own
    return not bool((values.isnan() if bounds else ~values.isfinite()).any())


def _listed(folder: Path, name: str, hash: str) -> bytes:
    """The content of a JSON file that the card names, b"" of others; each is as it was written."""
    path = folder / name
    if PurePath(name).name != name or name in (".", ".."):
        raise CapasError("bundle_altered", where=folder / CARD, received=name[:80])
    try:
        content = read_regular(path, max_bytes=MAX_FILE_BYTES) if path.suffix == ".json" else b""
        found = content_hash(content) if content else hash_file(path)
    except OSError as error:
        raise CapasError("bundle_incomplete", where=path, received=error.strerror or "") from error
    if found != hash:
        raise CapasError("bundle_altered", where=path, received=found[:8])
    return content


def _json(path: Path, content: bytes) -> Mapping[str, object]:
    try:
        tree = parse_json(content, finite=True)
    except ValueError as error:
        raise CapasError("bundle_incomplete", where=path, received=str(error)) from error
    if not isinstance(tree, dict):
        raise CapasError("bundle_incomplete", where=path, received=type(tree).__name__)
    return tree
