"""Whether the libraries of the web server are installed; this module itself imports neither."""

from importlib.util import find_spec

from capas.core.errors import CapasError


def require_web_libraries(command: str, extra: str) -> None:
    """Check that Starlette and uvicorn can be imported, before any module that does so is.

    Args:
        command: What the user started, shown as the place of the error.
        extra: The extra of Capas that installs them.

    Raises:
        CapasError: ``extra_missing``.
    """
    for library in ("starlette", "uvicorn"):
        if find_spec(library) is None:
            raise CapasError("extra_missing", where=command, received=library, extra=extra)
