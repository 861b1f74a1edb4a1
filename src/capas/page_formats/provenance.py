"""What every export says of itself: which program and model read the page, when, and with what settings."""

from dataclasses import dataclass

from capas.version import __version__


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """``created``: ISO 8601 with the time zone; ``settings``: name and value of what matters to who checks the result,
    as the model's hash, ε and the calibration."""

    created: str
    settings: tuple[tuple[str, str], ...] = ()
    software: str = "Capas"
    version: str = __version__

    @property
    def summary(self) -> str:
        """The settings on one line."""
        return "; ".join(f"{name}={value}" for name, value in self.settings)
