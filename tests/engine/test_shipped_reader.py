"""The reader that comes with Capas reads what it has learnt, and is where another one may start."""

from pathlib import Path

import torch

from capas.archive.library.scans import decode_page
from capas.archive.reading.pages import line_images
from capas.bundle.card import read_card
from capas.bundle.shipped import SHIPPED_READERS, model_folder
from capas.data.synthetic.manuscripts import make_manuscripts
from capas.decoding.alphabet import Alphabet, normalise_nfc
from capas.engine.recipes.transcription.input_protocol import PaddedSequences
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.engine.recipes.transcription.network import PaddedInputAdapter
from capas.engine.recipes.transcription.warm_start import init_reader_from
from capas.metrics.edit_distance import count_edits
from capas.networks.document.crnn import CRNNConfig
from capas.networks.document.crnn import LineCRNN as Network
from capas.page_formats.formats import read_page
from capas.page_formats.page import scale_page

NAME = "reader:medieval"


def test_only_names_of_readers_stand_for_them() -> None:
    assert list(SHIPPED_READERS) == [NAME]
    assert model_folder("medieval") == Path("medieval") and model_folder(NAME).is_dir()


def test_it_says_what_it_has_learnt_from() -> None:
    card, told = (
        read_card(SHIPPED_READERS[NAME] / "card.json"),
        (SHIPPED_READERS[NAME].parent / "README.md").read_text("utf-8"),
    )
    assert (card.task, card.medium) == ("transcribe", "image")
    assert NAME in told and "CC BY 4.0" in told and f"{card.network.parameters / 1e6:.1f} million" in told


def test_it_reads_a_page_that_it_has_not_seen(tmp_path: Path) -> None:
    make_manuscripts(tmp_path, pages=1, test_pages=0, seed=77)
    (transcript,) = tmp_path.rglob("*.xml")
    picture = decode_page(transcript.with_suffix(".jpg"))
    lines = scale_page(read_page(transcript).page, picture.shape[1], picture.shape[0]).lines[:8]
    reader = LineReader.open(NAME)
    read = [reader.text(one).text for one in reader.posteriors(line_images(picture, lines))]
    true = [normalise_nfc(line.text) for line in lines]
    assert sum(count_edits(*pair).distance for pair in zip(true, read, strict=True)) < 0.1 * sum(map(len, true))


def test_another_reader_starts_from_what_it_knows() -> None:
    known = LineReader.open(NAME)
    alphabet = Alphabet(characters="".join(sorted({"€", *known.alphabet.characters[5:]}, reverse=True)))
    config = CRNNConfig(size=known.height, num_labels=alphabet.num_labels, width=24, hidden=160)
    network = PaddedInputAdapter(Network(config)).eval()
    init_reader_from(network, NAME, alphabet)
    ink = torch.rand(1, 1, known.height, 96, generator=torch.Generator().manual_seed(0))
    lines = PaddedSequences(values=ink, lengths=torch.tensor([96]))
    with torch.no_grad():
        ours, theirs = network(lines)[0], known.model.network(lines)[0]
    shared = [c for c in alphabet.characters if c != "€"]
    own = [alphabet.characters.index(c) + 1 for c in shared]
    other = [known.alphabet.characters.index(c) + 1 for c in shared]
    torch.testing.assert_close(ours[..., [0, *own]], theirs[..., [0, *other]], atol=1e-3, rtol=1e-3)
