"""What notices that an input is unlike the training data; kept beside the bundle, so that ``predict`` can refuse.

Scores: the distance to the nearest training examples in what the last layer is given (``nearest``), the same with an
earlier map beside (``nearest_wide``, pictures), the energy of the outputs (classes), and how badly an autoencoder of
the training pictures draws it (``reconstruction``). One that takes noise for its own is switched off (``outliers``,
``unusual`` and ``reconstruction`` say where each comes from).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from capas.bundle.card import Card
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.engine.recipes.one_answer import Reader
from capas.engine.recipes.pictures import PictureReader
from capas.trust.many import Sensed
from capas.trust.outliers import Nearest, energy
from capas.trust.pixels import as_shares
from capas.trust.reconstruction import Reconstruction
from capas.trust.subject import BATCH, Case, Part, Seen, Subject, see
from capas.trust.unusual import Combined

FILE: Final = "unlike.safetensors"
FORMAT: Final = "capas-unlike-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Detector:
    """The fitted scores; those of ``combined`` count. ``weights`` is the hash of the model that they belong to."""

    nearest: Nearest | None
    wide: Nearest | None
    reconstruction: Reconstruction | None
    combined: Combined | None
    energetic: bool
    false_alarms: float
    weights: str

    def scores(
        self, reader: Reader[object], prepared: Sequence[object], seen: Seen | Part | None = None
    ) -> dict[str, Tensor]:
        """Every score of prepared inputs (N each); ``seen`` where the network has been asked already."""
        found = see(reader, prepared) if seen is None else seen
        scores = {} if self.nearest is None else {"nearest": self.nearest.score(found.features)}
        if self.energetic:
            scores["energy"] = energy(found.outputs)
        if self.wide is not None:
            scores["nearest_wide"] = self.wide.score(found.wide)
        if self.reconstruction is not None:
            parts = [prepared[start : start + BATCH] for start in range(0, len(prepared), BATCH)]
            drawn = [self.reconstruction.draw(as_shares(part)).dissimilarity for part in parts]
            scores["reconstruction"] = torch.cat(drawn)
        return scores

    def scores_of_many(self, sensed: Sequence[Sensed]) -> dict[str, Tensor]:
        """The same (N each) for a model with many answers per example; of several views the mean counts."""
        scores: dict[str, Tensor] = {}
        if self.nearest is not None:
            scores["nearest"] = self.nearest.score(
                torch.stack([one.features for one in sensed if one.features is not None])
            )
        if self.reconstruction is not None:
            views = [one.views for one in sensed if one.views is not None]
            drawn = [self.reconstruction.draw(part).dissimilarity.mean() for part in views]
            scores["reconstruction"] = torch.stack(drawn)
        return scores

    def heat(self, prepared: object) -> Tensor | None:
        """Where a picture could not be redrawn (H, W), 0..1; None for what is no picture."""
        return None if self.reconstruction is None else self.heat_of(as_shares([prepared]))

    def heat_of(self, picture: Float[Tensor, "1 C H W"]) -> Tensor | None:
        """The same of a picture in 0..1."""
        if self.reconstruction is None:
            return None
        heat = self.reconstruction.draw(picture).heat[0]
        return heat / heat.max().clamp(min=0.25)

    def save(self, folder: Path) -> None:
        """Write it into the bundle's ``folder``. Raises CapasError."""
        assert self.combined is not None
        parts: dict[str, Mapping[str, Tensor]] = {"combined": self.combined.tensors()}
        if self.nearest is not None:
            parts["nearest"] = self.nearest.tensors()
        if self.wide is not None:
            parts["wide"] = self.wide.tensors()
        if self.reconstruction is not None:
            parts["reconstruction"] = self.reconstruction.tensors()
        tensors = {f"{part}/{name}": t.contiguous() for part, held in parts.items() for name, t in held.items()}
        about = {"format": FORMAT, "weights": self.weights, "false_alarms": repr(self.false_alarms),
                 "energetic": repr(self.energetic)}  # fmt: skip
        write_atomic(folder / FILE, save(tensors, metadata=about))


def fit_scores(subject: Subject, rng: torch.Generator, *, redraw: bool) -> Detector:
    """The scores, fitted to the training examples; ``combined`` follows from the calibration examples. Without
    ``redraw`` no autoencoder is trained."""
    train, labels = subject.train, subject.train.targets
    if labels.ndim > 1:
        labels = torch.zeros(len(train), dtype=torch.long)
    pictures = isinstance(subject.reader, PictureReader)
    return Detector(
        nearest=Nearest.fit(train.features, labels, rng),
        wide=Nearest.fit(train.wide, labels, rng) if pictures else None,
        reconstruction=Reconstruction.fit(as_shares(train.prepared), rng) if pictures and redraw else None,
        combined=None,
        energetic=subject.case.task == "classify",
        false_alarms=subject.case.config.trust.false_alarms,
        weights=subject.case.card.weights.hash,
    )


def fit_scores_of_many(case: Case, sensed: Sequence[Sensed], rng: torch.Generator, *, redraw: bool) -> Detector:
    """The same for a model with many answers per example, from what its training examples look like."""
    features = [one.features for one in sensed if one.features is not None]
    views = [one.views for one in sensed if one.views is not None]
    return Detector(
        nearest=Nearest.fit(torch.stack(features), torch.zeros(len(features), dtype=torch.long), rng)
        if features
        else None,
        wide=None,
        reconstruction=Reconstruction.fit(torch.cat(views), rng) if views and redraw else None,
        combined=None,
        energetic=False,
        false_alarms=case.config.trust.false_alarms,
        weights=case.card.weights.hash,
    )


def load_detector(folder: Path, card: Card) -> Detector | None:
    """The detector of the bundle in ``folder``; None where none was made. Raises CapasError ``detector_damaged``."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(str(path), framework="pt") as stream:
            about = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (no mapping)
        if about.get("format") != FORMAT or about.get("weights") != card.weights.hash:
            raise ValueError(f"{about.get('format')}, {about.get('weights', '')[:8]}")
        return _restored(tensors, about)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CapasError("detector_damaged", where=path, received=str(error)[:200]) from error


def _restored(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> Detector:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, own = name.partition("/")
        parts.setdefault(part, {})[own] = tensor
    return Detector(
        nearest=Nearest.from_tensors(parts["nearest"]) if "nearest" in parts else None,
        wide=Nearest.from_tensors(parts["wide"]) if "wide" in parts else None,
        reconstruction=Reconstruction.from_tensors(parts["reconstruction"]) if "reconstruction" in parts else None,
        combined=Combined.from_tensors(parts["combined"]),
        energetic=about["energetic"] == "True",
        false_alarms=float(about["false_alarms"]),
        weights=about["weights"],
    )
