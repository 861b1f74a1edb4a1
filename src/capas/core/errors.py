"""The one error that a user can cause: what, where, what was received, what was expected, what to do next.

The texts are in the message catalogues under ``errors.KEY`` with the parts ``what``, ``expected`` and ``next``, so an
error is shown in the user's language and a script can tell errors apart by ``key``.
"""

from pathlib import Path

from capas.core.i18n import Value, has, say


class CapasError(Exception):
    """A mistake that the user can mend. The command line prints it without a traceback and exits with 2.

    ``key`` names the text in the catalogues, ``where`` the file, line or setting, ``received`` what was found there;
    further ``values`` fill the placeholders of the text.

    >>> error = CapasError("no_such_path", where="photos/")
    >>> error.key
    'no_such_path'
    """

    def __init__(self, key: str, *, where: str | Path = "", received: Value = "", **values: Value) -> None:
        self.key = key
        self.where = str(where)
        self.received = str(received)
        self.values: dict[str, Value] = {**values, "where": self.where, "received": self.received}
        super().__init__(key)

    def renamed(self, former: str, present: str) -> "CapasError":
        """Return the same error with another name for a file that the user knows by that name."""
        named = {name: value.replace(former, present) if isinstance(value, str) else value
                 for name, value in self.values.items() if name not in ("where", "received")}  # fmt: skip
        where, received = (text.replace(former, present) for text in (self.where, self.received))
        return CapasError(self.key, where=where, received=received, **named)

    def part(self, name: str) -> str:
        """One part of the text (``what``, ``expected`` or ``next``), or "" where the catalogue has none."""
        full = f"errors.{self.key}.{name}"
        return say(full, **self.values) if has(full) else ""

    def __str__(self) -> str:
        lines = [self.part("what")]
        for name, text in (("where", self.where), ("expected", self.part("expected")), ("next", self.part("next"))):
            if text:
                lines.append(say(f"errors.{name}_line", text=text))
        return "\n".join(lines)

    def as_json(self) -> dict[str, str]:
        """Return the fields for ``--json``."""
        return {
            "error": self.key,
            "what": self.part("what"),
            "where": self.where,
            "received": self.received,
            "expected": self.part("expected"),
            "next": self.part("next"),
        }
