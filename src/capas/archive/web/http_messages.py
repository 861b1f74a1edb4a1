"""What is asked of the archive's server and what it answers, apart from how it travels."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from capas.core.errors import CapasError

JSON: Final = "application/json; charset=utf-8"
MOST_CHARACTERS: Final = 500
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """A request: ``path`` and ``params`` decoded; ``base``: the server's address without a "/" at its end; ``token``:
    the page's, which proves that a change comes from it."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    token: str = ""
    body: bytes = b""

    def text(self, name: str, default: str = "") -> str:
        """A parameter of some hundred characters at most. Raises CapasError ``bad_request``, as the others do."""
        value = self.params.get(name, default)
        if len(value) > MOST_CHARACTERS:
            raise CapasError("bad_request", received=f"{name}: {len(value)} characters")
        return value

    def number(self, name: str, default: float, lowest: float, highest: float) -> float:
        """A parameter between two numbers."""
        given = self.text(name, str(default))
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        if not lowest <= value <= highest:
            raise CapasError("bad_request", received=f"{name}={given}")
        return value

    def whole(self, name: str, default: int, lowest: int, highest: int) -> int:
        """A whole number between two."""
        return int(self.number(name, default, lowest, highest))

    def content(self) -> Mapping[str, str]:
        """The body: a JSON object of texts."""
        try:
            tree = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise CapasError("bad_request", received="JSON") from error
        if not isinstance(tree, dict):
            raise CapasError("bad_request", received=type(tree).__name__)
        return {str(name): str(value) for name, value in tree.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpResponse:
    """``body`` of the media type ``media_type`` with an HTTP ``status``."""

    body: bytes
    media_type: str = JSON
    status: int = 200
    headers: Headers = ()


def json_response(value: object, *, status: int = 200, kind: str = JSON) -> HttpResponse:
    """``value`` as JSON."""
    return HttpResponse(body=json.dumps(value, ensure_ascii=False).encode(), media_type=kind, status=status)
