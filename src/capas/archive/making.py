"""How an archive was read: the reader and its settings, kept with the library so that every answer can be traced, and
so that searching needs no network."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from capas.archive.library import FILE, Library
from capas.core.errors import CapasError
from capas.engine.line_reader import LineReader
from capas.search.store import Origin
from capas.tasks.transcribe import Alphabet

FACT: Final = "reading"


@dataclass(frozen=True, kw_only=True, slots=True)
class Making:
    """``reader``: the run as given; ``model``: hash of its weights; ``temperature`` of its calibration; ``least``: the
    least probability of a spot (ε); ``height`` of the lines in pixels, ``columns`` of a frame, ``characters`` read;
    ``reading``: how texts came of probabilities (``Decoder.told``)."""

    reader: str
    model: str
    temperature: float
    least: float
    height: int
    columns: int
    characters: str
    reading: str = "best path"

    @property
    def origin(self) -> Origin:
        return Origin(least=self.least, temperature=self.temperature, model=self.model)

    @property
    def alphabet(self) -> Alphabet:
        return Alphabet(characters=self.characters)


def making_of(reader: LineReader, where: str, least: float) -> Making:
    """How ``reader`` will read."""
    return Making(
        reader=where, model=reader.hash, temperature=reader.temperature, least=least, height=reader.height,
        columns=reader.columns, characters=reader.alphabet.characters, reading=reader.decoder.told,
    )  # fmt: skip


def keep_making(library: Library, making: Making) -> None:
    """Record it in the library."""
    library.set_fact(FACT, json.dumps(asdict(making), ensure_ascii=False))


def kept_making(library: Library) -> Making:
    """What was recorded. Raises CapasError as ``unread`` says, or ``archive_unreadable``."""
    held = library.fact(FACT)
    if not held:
        raise unread(library)
    try:
        return TypeAdapter(Making).validate_json(held)
    except ValidationError as error:
        received = str(error.errors()[0]["msg"])
        raise CapasError("archive_unreadable", where=library.folder / FILE, received=received) from error


def unread(library: Library) -> CapasError:
    """What is missing where nothing has been read: ``archive_empty`` pages, or that ``archive_unread`` they are."""
    return CapasError("archive_unread" if library.units() else "archive_empty", where=library.folder)
