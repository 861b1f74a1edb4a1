"""Examples shown with what an autoencoder of the training pictures could not redraw."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from capas.trust.blocks import Shown
from capas.trust.detector import Detector
from capas.trust.guard import ManySense
from capas.trust.pictured import picture_of
from capas.trust.subject import Subject


@runtime_checkable
class Shows(Protocol):
    """The test examples, by ``names``, and how a prepared input is shown."""

    names: Sequence[str]
    prepared: Sequence[object]

    def shown(self, prepared: object, caption: str) -> Shown | None:
        """A picture with what could not be redrawn; None where it is nothing to look at."""


class Looked:
    """``Shows`` for a model with one answer per example."""

    def __init__(self, subject: Subject, detector: Detector, names: Sequence[str], prepared: Sequence[object]) -> None:
        self.names, self.prepared = names, prepared
        self._subject, self._detector = subject, detector

    def shown(self, prepared: object, caption: str) -> Shown | None:
        picture, heat = picture_of(self._subject.reader, prepared), self._detector.heat(prepared)
        return (
            None
            if picture is None
            else Shown(picture=picture, caption=caption, heat=None if heat is None else heat.numpy())
        )


class LookedAtMany:
    """``Shows`` for a model with many answers per example."""

    def __init__(self, sense: ManySense, names: Sequence[str], prepared: Sequence[object]) -> None:
        self.names, self.prepared = names, prepared
        self._sense = sense

    def shown(self, prepared: object, caption: str) -> Shown | None:
        both = self._sense.redrawn(prepared)
        if both is not None:
            return Shown(picture=both[0], caption=caption, heat=both[1])
        picture = self._sense.sensing.picture(prepared)
        return None if picture is None else Shown(picture=picture, caption=caption)
