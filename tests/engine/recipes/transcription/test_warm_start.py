"""A reader starts from another: what their alphabets share is kept."""

import pytest
import torch
from torch import Tensor

from capas.bundle.read import Bundle
from capas.core.errors import CapasError
from capas.decoding.alphabet import Alphabet
from capas.engine.recipes.transcription import warm_start as module
from capas.engine.recipes.transcription.line_images import LineImageInputs
from capas.engine.recipes.transcription.network import PaddedInputAdapter
from capas.engine.recipes.transcription.warm_start import bundle_alphabet, extended_alphabet, init_reader_from
from tests.engine.recipes.made_work import bundle_of, network_card, spec_of

INPUTS = LineImageInputs(height=16)
KNOWN, WANTED = Alphabet(characters="ace"), Alphabet(characters="abc")


def reader(alphabet: Alphabet, *, width: int = 4, hidden: int = 5, seed: int = 0) -> PaddedInputAdapter:
    torch.manual_seed(seed)
    return PaddedInputAdapter(INPUTS.network(alphabet.num_labels, width, hidden))


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Bundle:
    spec = spec_of("transcribe", "image", target="transcript")
    bundle = bundle_of(spec, network_card("crnn"), {"answers.json": {"alphabet": "ace"}}, reader(KNOWN).state_dict())
    monkeypatch.setattr(module, "find_bundle", {"old": bundle}.__getitem__)
    return bundle


def rows(network: PaddedInputAdapter) -> tuple[Tensor, Tensor]:
    return network.get_parameter("network.tail.classifier.weight"), network.get_parameter(
        "network.tail.classifier.bias"
    )


def test_shared_characters_keep_their_rows(before: Bundle) -> None:
    network, fresh = reader(WANTED, seed=1), reader(WANTED, seed=1)
    init_reader_from(network, "old", WANTED)
    for found, new, old in zip(rows(network), rows(fresh), rows(reader(KNOWN)), strict=True):
        # Blank, a and c are shared, which was the second character; b is new.
        assert torch.equal(found[[0, 1, 3]], old[[0, 1, 2]]) and torch.equal(found[2], new[2])
    state = network.state_dict()
    rest = [name for name in state if ".classifier." not in name]
    assert rest and all(torch.equal(state[name], before.tensors[name]) for name in rest)


@pytest.mark.parametrize(("width", "hidden"), [(8, 5), (4, 6)])
def test_another_width_does_not_fit(width: int, hidden: int, before: Bundle) -> None:
    with pytest.raises(CapasError) as error:
        init_reader_from(reader(WANTED, width=width, hidden=hidden), "old", WANTED)
    assert (error.value.key, error.value.where) == ("start_does_not_fit", "old")


def test_characters_that_it_could_read_are_kept(before: Bundle) -> None:
    assert bundle_alphabet(before) == KNOWN
    assert (
        extended_alphabet("old", ["bad"]).characters == "abcde" and extended_alphabet("", ["bad"]).characters == "abd"
    )
