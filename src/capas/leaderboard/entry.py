"""An entry of the board: one metric of one model on one dataset split, by a named protocol."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from pydantic import BaseModel, ConfigDict, Field

from capas.bundle.card import Card
from capas.core.files import content_hash

# How a figure came about; figures that came about differently are never ranked together.
UNSEEN: Final = "test split, read once after training"
OTHER: Final = "other data, without what was learnt from"


class Entry(BaseModel):
    """All columns of an entry; unknown keys are errors.

    ``data_hash`` identifies the examples and their labels; ``low`` and ``high`` are the 95 % interval; ``weights_hash``
    identifies the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: str = Field(min_length=1)
    medium: str
    data: str
    data_hash: str = Field(min_length=1)
    split: str
    protocol: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    value: float
    low: float | None = None
    high: float | None = None
    unit: str | None = None
    n: int = Field(ge=0)
    model: str
    network: str
    weights_hash: str
    parameters: int = Field(ge=0)
    extra_training_data: str = ""
    seed: int | None = None
    seconds: float | None = None
    card: str = ""
    created: str
    capas: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What two entries must share to be compared."""
        return self.data_hash, self.split, self.metric, self.protocol

    @property
    def id(self) -> str:
        """Twelve digits that identify this metric of this model, wherever it is kept."""
        return content_hash("\n".join([*self.key, self.weights_hash]).encode())[:12]


def entries_of(card: Card, metrics: Mapping[str, object], *, data: str, data_hash: str, split: str, protocol: str,
               where: Path) -> list[Entry]:  # fmt: skip
    """Return an entry for each metric that has a count, the headline first."""
    found = []
    for name, figure in metrics.items():
        if not isinstance(figure, Mapping) or "n" not in figure:
            continue
        low, high = cast(Sequence[float], figure.get("interval", (None, None)))
        found.append(
            Entry(
                task=card.task, medium=card.medium, data=data, data_hash=data_hash, split=split, protocol=protocol,
                metric=name, value=float(figure["value"]), low=low, high=high, unit=figure.get("unit"),
                n=int(figure.get("lines", figure["n"])),  # of error rates "n" are characters or words
                model=card.name, network=card.network.name, weights_hash=card.weights.hash,
                parameters=card.network.parameters, extra_training_data=card.weights.started_from,
                seed=card.provenance.seed, seconds=card.provenance.seconds,
                card=str((where / "card.json").absolute()),
                created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                capas=card.provenance.capas,
            )
        )  # fmt: skip
    return found
