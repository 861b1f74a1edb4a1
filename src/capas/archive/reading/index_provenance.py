"""How an archive was read: the reader and its settings, kept with the library so that every answer can be traced, and
so that searching needs no network."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from capas.archive.library.database import FILE, Library
from capas.core.errors import CapasError
from capas.decoding.alphabet import Alphabet
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.keyword_index.store import IndexOrigin

FACT: Final = "reading"


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexProvenance:
    """``reader``: the run as given; ``model``: hash of its weights; ``temperature`` of its calibration; ``min_probability``: the
    least probability of a spot (ε); ``height`` of the lines in pixels, ``columns`` of a frame, ``characters`` read;
    ``decoding``: how texts came of probabilities (``CTCDecoder.description``)."""

    reader: str
    model: str
    temperature: float
    min_probability: float
    height: int
    columns: int
    characters: str
    decoding: str = "best path"

    @property
    def origin(self) -> IndexOrigin:
        return IndexOrigin(least=self.min_probability, temperature=self.temperature, model=self.model)

    @property
    def alphabet(self) -> Alphabet:
        return Alphabet(characters=self.characters)


def provenance_of_reader(reader: LineReader, where: str, least: float) -> IndexProvenance:
    """How ``reader`` will read."""
    return IndexProvenance(
        reader=where, model=reader.hash, temperature=reader.temperature, min_probability=least, height=reader.height,
        columns=reader.columns, characters=reader.alphabet.characters, decoding=reader.decoder.description,
    )  # fmt: skip


def write_index_provenance(library: Library, provenance: IndexProvenance) -> None:
    """Record it in the library."""
    library.set_fact(FACT, json.dumps(asdict(provenance), ensure_ascii=False))


def read_index_provenance(library: Library) -> IndexProvenance:
    """What was recorded. Raises CapasError as ``unread_archive_error`` says, or ``archive_unreadable``."""
    held = library.fact(FACT)
    if not held:
        raise unread_archive_error(library)
    try:
        return TypeAdapter(IndexProvenance).validate_json(held)
    except ValidationError as error:
        received = str(error.errors()[0]["msg"])
        raise CapasError("archive_unreadable", where=library.folder / FILE, received=received) from error


def unread_archive_error(library: Library) -> CapasError:
    """What is missing where nothing has been read: ``archive_empty`` pages, or that ``archive_unread`` they are."""
    return CapasError("archive_unread" if library.units() else "archive_empty", where=library.folder)
