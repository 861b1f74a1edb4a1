"""The reader that comes with Capas reads what it has learnt, and is where another one may start."""

from pathlib import Path

import torch

from capas.archive.reading import cut_lines
from capas.archive.scans import decode
from capas.bundle.card import read_card
from capas.bundle.shipped import READERS, place_of
from capas.data.made_manuscripts import make
from capas.engine.line_reader import LineReader
from capas.engine.recipes.reader_start import start_from
from capas.engine.recipes.reading_sides import Padded
from capas.engine.recipes.transcription import OnLines
from capas.networks.crnn import LineReader as Network
from capas.networks.crnn import ReaderConfig
from capas.pages.page import scaled
from capas.pages.standards import read_page
from capas.tasks.edit_distance import edits
from capas.tasks.transcribe import Alphabet, composed

NAME = "reader:medieval"


def test_only_names_of_readers_stand_for_them() -> None:
    assert list(READERS) == [NAME]
    assert place_of("medieval") == Path("medieval") and place_of(NAME).is_dir()


def test_it_says_what_it_has_learnt_from() -> None:
    card, told = read_card(READERS[NAME] / "card.json"), (READERS[NAME].parent / "README.md").read_text("utf-8")
    assert (card.task, card.medium) == ("transcribe", "image")
    assert NAME in told and "CC BY 4.0" in told and f"{card.network.parameters / 1e6:.1f} million" in told


def test_it_reads_a_page_that_it_has_not_seen(tmp_path: Path) -> None:
    make(tmp_path, pages=1, test_pages=0, seed=77)
    (transcript,) = tmp_path.rglob("*.xml")
    picture = decode(transcript.with_suffix(".jpg"))
    lines = scaled(read_page(transcript).page, picture.shape[1], picture.shape[0]).lines[:8]
    reader = LineReader.open(NAME)
    read = [reader.text(one).text for one in reader.posteriors(cut_lines(picture, lines))]
    true = [composed(line.text) for line in lines]
    assert sum(edits(*pair).distance for pair in zip(true, read, strict=True)) < 0.1 * sum(map(len, true))


def test_another_reader_starts_from_what_it_knows() -> None:
    known = LineReader.open(NAME)
    alphabet = Alphabet(characters="".join(sorted({"€", *known.alphabet.characters[5:]}, reverse=True)))
    config = ReaderConfig(size=known.height, num_labels=alphabet.num_labels, width=24, hidden=160)
    network = OnLines(Network(config)).eval()
    start_from(network, NAME, alphabet)
    ink = torch.rand(1, 1, known.height, 96, generator=torch.Generator().manual_seed(0))
    lines = Padded(values=ink, lengths=torch.tensor([96]))
    with torch.no_grad():
        ours, theirs = network(lines)[0], known.model.network(lines)[0]
    shared = [c for c in alphabet.characters if c != "€"]
    own = [alphabet.characters.index(c) + 1 for c in shared]
    other = [known.alphabet.characters.index(c) + 1 for c in shared]
    torch.testing.assert_close(ours[..., [0, *own]], theirs[..., [0, *other]], atol=1e-3, rtol=1e-3)
