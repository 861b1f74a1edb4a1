"""The checked parameters of a request to the archive."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from capas.core.errors import CapasError
from capas.core.inert_text import inert
from capas.core.parsing import parse_json

MAX_CHARACTERS: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestParameters:
    """What a request asks for, apart from how it travels.

    Attributes:
        path: The path, decoded.
        params: The parameters of the address, decoded; of several with one name the last.
        base: The server's address without a "/" at its end.
        body: The body of a change.
    """

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    body: bytes = b""

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter of at most ``MAX_CHARACTERS``.

        Raises:
            CapasError: ``bad_request``, as the other methods do.
        """
        value = self.params.get(name, default)
        if len(value) > MAX_CHARACTERS:
            raise CapasError("bad_request", received=f"{name}: {len(value)} characters")
        return value

    def number(self, name: str, default: float, lowest: float, highest: float) -> float:
        """Return a parameter between two numbers."""
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not lowest <= value <= highest:
            raise CapasError("bad_request", received=f"{name}={text}")
        return value

    def integer(self, name: str, default: int, lowest: int, highest: int) -> int:
        """Return an integer parameter between two."""
        return int(self.number(name, default, lowest, highest))

    def content(self) -> Mapping[str, str]:
        """Return the body: a JSON object of texts and whole numbers, the latter as texts.

        Raises:
            CapasError: ``bad_request``.
        """
        try:
            tree = parse_json(self.body)
        except ValueError as error:
            raise CapasError("bad_request", received="JSON") from error
        if not isinstance(tree, dict):
            raise CapasError("bad_request", received=type(tree).__name__)
        for name, value in tree.items():
            if not isinstance(value, str | int) or isinstance(value, bool):
                raise CapasError("bad_request", received=f"{inert(name)}: {type(value).__name__}")
        return {name: str(value) for name, value in tree.items()}
