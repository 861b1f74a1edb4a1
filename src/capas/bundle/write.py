"""Writing a bundle: a few files, each whole or absent; the card last, because it is what makes a folder a bundle."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import nn

from capas.bundle.card import Card, WeightsCard, read_card, write_card
from capas.bundle.readme import model_card
from capas.core.files import content_hash, hash_file, write_atomic, write_json
from capas.networks.vision.flip_tta import FlipTTA

MODEL, CARD, README = "model.safetensors", "card.json", "README.md"
LABELS, PREPARATION, ANSWERS = "labels.txt", "preparation.json", "answers.json"
NGRAMS = "ngrams.json"  # of readers that have a language model
CAPTIONS = "captions.json"  # of generators that are told in words what to draw


def write_bundle(folder: Path, network: nn.Module, files: Mapping[str, object], card: Card) -> Card:
    """Write the bundle of ``network``.

    Args:
        folder: Where to write it.
        network: Its weights are stored; ``FlipTTA`` is unwrapped.
        files: JSON by file name: ``preparation.json`` describes the preprocessing, ``answers.json`` the postprocessing.
        card: The card, without the hash of the weights.

    ``labels.txt`` has one class per line, in the order of the outputs (line breaks in a name become spaces; the card
    has the exact names).

    Returns:
        The card with the hashes of the weights and the files.

    Raises:
        CapasError: ``disk_full`` or ``cannot_write``.
    """
    single = network.network if isinstance(network, FlipTTA) else network
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in single.state_dict().items()}
    weights = save(tensors, metadata={"format": "pt"})
    card = card.model_copy(
        update={
            "weights": WeightsCard(
                hash=content_hash(weights), bytes=len(weights), started_from=card.weights.started_from
            )
        }
    )
    write_atomic(folder / MODEL, weights)
    for name, tree in files.items():
        write_json(folder / name, tree)
    if card.classes:
        write_atomic(folder / LABELS, "".join(" ".join(name.split()) + "\n" for name in card.classes))
    beside = [*files, *([LABELS] if card.classes else [])]
    card = card.model_copy(update={"files": {name: hash_file(folder / name) for name in sorted(beside)}})
    write_atomic(folder / README, model_card(card))
    return write_card(folder / CARD, card)


def add_file(folder: Path, name: str, content: bytes) -> None:
    """Put another file into a bundle and its hash into the card.

    Raises CapasError as ``read_card`` and ``write_atomic``.

    Killed in between, the file is there and the card does not know it: it is then not read, neither is the one that it
    replaces.
    """
    card = read_card(folder / CARD)
    if name in card.files:
        others = {other: hash for other, hash in card.files.items() if other != name}
        card = write_card(folder / CARD, card.model_copy(update={"files": others}))
    write_atomic(folder / name, content)
    write_card(folder / CARD, card.model_copy(update={"files": {**card.files, name: content_hash(content)}}))
