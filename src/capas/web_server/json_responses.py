"""Values and errors as JSON responses."""

import json
from typing import Final

from starlette.responses import Response

from capas.core.errors import CapasError

JSON: Final = "application/json; charset=utf-8"


def json_response(value: object, *, status: int = 200, media_type: str = JSON) -> Response:
    """Return ``value`` as JSON."""
    return Response(json.dumps(value, ensure_ascii=False).encode(), status, media_type=media_type)


def error_response(error: CapasError, status: int) -> Response:
    """Return an error in the current language.

    Its ``where`` is left out: paths on the server are not the client's concern.
    """
    parts = {name: error.part(name) for name in ("what", "expected", "next")}
    return json_response({"error": error.key, **parts}, status=status)
