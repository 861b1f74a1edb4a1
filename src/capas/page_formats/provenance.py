"""Provenance of an export: which program and model transcribed the page, when, and with what settings."""

from dataclasses import dataclass

from capas.version import __version__


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """How a file was made.

    Attributes:
        created: ISO 8601 with the time zone.
        settings: Pairs (name, value), such as the model's hash, ε and the calibration temperature.
        software: The program.
        version: Its version.
    """

    created: str
    settings: tuple[tuple[str, str], ...] = ()
    software: str = "Capas"
    version: str = __version__

    @property
    def summary(self) -> str:
        """The settings on one line."""
        return "; ".join(f"{name}={value}" for name, value in self.settings)
