"""Provenance of the index: the model and its settings, kept with the library so that searching needs no network."""

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
    """How an archive was transcribed and indexed.

    Attributes:
        reader: The run as given.
        model: Hash of its weights.
        temperature: Calibration temperature.
        min_probability: Least probability of a spot (ε).
        height: Height of the line images in pixels.
        columns: Pixels per frame.
        characters: The alphabet.
        decoding: How texts were decoded (``CTCDecoder.description``).
    """

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
    """Return the provenance of what ``reader`` will transcribe."""
    return IndexProvenance(
        reader=where, model=reader.hash, temperature=reader.temperature, min_probability=least, height=reader.height,
        columns=reader.columns, characters=reader.alphabet.characters, decoding=reader.decoder.description,
    )  # fmt: skip


_FACTS: Final = TypeAdapter(IndexProvenance)


def write_index_provenance(library: Library, provenance: IndexProvenance) -> None:
    """Store it in the library."""
    library.set_fact(FACT, json.dumps(asdict(provenance), ensure_ascii=False))


def read_index_provenance(library: Library) -> IndexProvenance:
    """Return what is stored. Raises CapasError as ``unread_archive_error`` says, or ``archive_reading_older`` where
    another version of Capas stored it."""
    held = library.fact(FACT)
    if not held:
        raise unread_archive_error(library)
    try:
        return _FACTS.validate_json(held)
    except ValidationError as error:
        received = ".".join(map(str, error.errors()[0]["loc"]))
        raise CapasError("archive_reading_older", where=library.folder / FILE, received=received) from error


def unread_archive_error(library: Library) -> CapasError:
    """Return the error of an archive without an index: ``archive_empty`` or ``archive_unread``."""
    return CapasError("archive_unread" if library.units() else "archive_empty", where=library.folder)
