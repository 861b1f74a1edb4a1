"""An archival unit, such as a bundle or a volume: its sheets, and the addresses of their images and texts."""

import mimetypes
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """One page of a unit.

    Attributes:
        label: Its label, such as "12r".
        image: Address of its image.
        width: Width of the image in pixels; 0 where unknown.
        height: Height of the image in pixels; 0 where unknown.
        text: Address of its ALTO file; "" where there is none.
    """

    label: str
    image: str
    width: int = 0
    height: int = 0
    text: str = ""

    @property
    def media_type(self) -> str:
        """Media type of the image, by its address; JPEG where that says nothing, as IIIF's image servers answer."""
        return mimetypes.guess_type(self.image.partition("?")[0])[0] or "image/jpeg"


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivalUnit:
    """A unit; ``id`` is the archive's reference or a manifest's address, ``address`` where a person can look at it."""

    id: str
    title: str
    sheets: tuple[Sheet, ...]
    address: str = ""
