"""What an archive keeps together, as a bundle or a volume: its sheets, and where their pictures and texts are."""

import mimetypes
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """One page of a unit: its ``label`` ("12r"), the address of its ``image`` with its size in pixels (0 where nothing
    says it), and the address of its ALTO file in ``text``, "" where there is none."""

    label: str
    image: str
    width: int = 0
    height: int = 0
    text: str = ""

    @property
    def media_type(self) -> str:
        """That of the image, by its address; JPEG where that says nothing, as IIIF's image servers answer."""
        return mimetypes.guess_type(self.image.partition("?")[0])[0] or "image/jpeg"


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivalUnit:
    """``id``: the archive's reference, or the address of a manifest; ``address``: where a person can look at it."""

    id: str
    title: str
    sheets: tuple[Sheet, ...]
    address: str = ""
