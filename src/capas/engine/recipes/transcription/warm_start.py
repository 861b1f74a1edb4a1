"""Warm start of a reader from the weights of another one, which may have another alphabet: of the output layer, the
rows of shared characters are kept.
"""

from collections.abc import Iterable
from typing import Final

from torch import Tensor, nn

from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS
from capas.core.errors import CapasError
from capas.decoding.alphabet import Alphabet
from capas.engine.recipes.shared.initial_weights import find_bundle

OUTPUT_LAYER: Final = "classifier"  # the layer whose rows are labels


def init_reader_from(network: nn.Module, where: str, alphabet: Alphabet) -> None:
    """Initialise ``network`` from a trained reader.

    Args:
        network: Its outputs are the labels of ``alphabet``; modified in place.
        where: A run, a bundle, or the name of a shipped reader.
        alphabet: The alphabet of ``network``.

    Raises:
        CapasError: ``start_does_not_fit``, and those of ``read_bundle``.
    """
    bundle = find_bundle(where)
    known = bundle_alphabet(bundle)
    state = network.state_dict()
    for name, own in state.items():
        other = bundle.tensors.get(name)
        if other is not None and f".{OUTPUT_LAYER}." in name:
            other = _rows(own, other, alphabet, known)
        if other is None or other.shape != own.shape:
            raise CapasError("start_does_not_fit", where=where, received=name)
        own.copy_(other)


def extended_alphabet(where: str, texts: Iterable[str]) -> Alphabet:
    """Return the alphabet of ``texts``, extended by that of the reader at ``where`` ("" for none): characters that it
    could read are kept although a few transcripts do without them. Raises those of ``read_bundle``.
    """
    return Alphabet.from_texts([*texts, *(bundle_alphabet(find_bundle(where)).characters if where else "")])


def bundle_alphabet(bundle: Bundle) -> Alphabet:
    """Return the alphabet of a reader."""
    return Alphabet(characters=str(bundle.file(ANSWERS).get("alphabet", "")))


def _rows(own: Tensor, other: Tensor, alphabet: Alphabet, known: Alphabet) -> Tensor | None:
    """``own`` with the rows of the blank and of the characters that ``known`` has too; None where widths differ."""
    if own.shape[1:] != other.shape[1:]:
        return None
    row = {character: label for label, character in enumerate(known.characters, 1)}
    rows = own.clone()
    rows[0] = other[0]
    for label, character in enumerate(alphabet.characters, 1):
        if character in row:
            rows[label] = other[row[character]]
    return rows
