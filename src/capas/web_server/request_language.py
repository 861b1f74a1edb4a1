"""The language in which a request is answered."""

from capas.core.i18n import LANGUAGES


def request_language(requested: str, accept_language: str) -> str:
    """Return ``requested`` where it exists, else the first of the browser's languages that does, else English.

    Args:
        requested: The parameter ``lang`` of the address, or "".
        accept_language: The header ``Accept-Language``, taken in its order; weights are ignored.

    >>> request_language("", "fr;q=0.9, es-MX, en;q=0.5")
    'es'
    """
    accepted = (part.split(";")[0].strip()[:2].lower() for part in accept_language.split(","))
    return next((one for one in (requested, *accepted) if one in LANGUAGES), "en")
