"""A model in use: pictures in, classes with probabilities out; a bad picture costs one refusal, not the job."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from capas.bundle.card import Card
from capas.bundle.export import Exported, export_onnx
from capas.bundle.read import Bundle, read_bundle
from capas.core.device import choose_device
from capas.core.errors import CapasError
from capas.data.folders import list_folder
from capas.data.pictures import MAX_PIXELS, decode_file
from capas.data.samples import open_sample
from capas.engine.run import find_run

Picture = str | Path | NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """The answer for one picture: class and probability (0..1), all classes' probabilities; or why it was refused."""

    input: str
    prediction: str | None
    probability: float | None
    probabilities: dict[str, float]
    refused: str | None = None

    def as_json(self, top: int = 5) -> dict[str, object]:
        """The form of ``capas predict --json``, with the ``top`` most probable classes."""
        ranked = sorted(self.probabilities.items(), key=lambda pair: -pair[1])[:top]
        return {
            "input": self.input,
            "prediction": self.prediction,
            "probability": None if self.probability is None else round(self.probability, 6),
            "probabilities": {name: round(p, 6) for name, p in ranked},
            "refused": self.refused,
        }


class Model:
    """A trained model, ready to answer."""

    def __init__(self, bundle: Bundle, *, device: str = "cpu") -> None:
        self.bundle = bundle
        self.device = choose_device(device)
        bundle.network.to(self.device)

    @property
    def card(self) -> Card:
        """What the model says of itself."""
        return self.bundle.card

    @property
    def classes(self) -> list[str]:
        """The possible answers."""
        return self.card.classes

    def predict(self, pictures: Iterable[Picture], *, batch_size: int = 64) -> list[Prediction]:
        """Answers in the order of ``pictures``: paths, or uint8 arrays H×W or H×W×C."""
        return list(self.stream(pictures, batch_size=batch_size))

    def stream(self, pictures: Iterable[Picture], *, batch_size: int = 64) -> Iterator[Prediction]:
        """The same one after another, holding no more than a batch in memory."""
        source = iter(pictures)
        number = 0
        while batch := list(islice(source, batch_size)):
            yield from self._answer(batch, number)
            number += len(batch)

    @torch.no_grad()
    def probabilities(self, images: UInt8[Tensor, "N C H W"]) -> Float[Tensor, "N K"]:
        """Prepared pictures, uint8 N×C×H×W → N×K float32."""
        normalised = self.bundle.preparation.normalise(images).to(self.device)
        logits: torch.Tensor = self.bundle.network(normalised)
        return logits.float().softmax(1).cpu()

    def prepared(self, picture: Picture) -> UInt8[Tensor, "C H W"]:
        """One picture as the network sees it, uint8 C×H×W. Raises CapasError when it cannot be read."""
        array = decode_file(Path(picture), max_pixels=MAX_PIXELS) if isinstance(picture, str | Path) else picture
        array = array[..., None] if array.ndim == 2 else array
        return torch.from_numpy(self.bundle.preparation.fit_picture(array).copy()).permute(2, 0, 1)

    def _answer(self, batch: Sequence[Picture], first: int) -> Iterator[Prediction]:
        prepared: list[torch.Tensor | CapasError] = []
        for picture in batch:
            try:
                prepared.append(self.prepared(picture))
            except CapasError as error:
                prepared.append(error)
        good = [p for p in prepared if isinstance(p, torch.Tensor)]
        rows = iter(self.probabilities(torch.stack(good)) if good else ())
        for offset, (picture, outcome) in enumerate(zip(batch, prepared, strict=True)):
            name = str(picture) if isinstance(picture, str | Path) else f"array {first + offset}"
            if isinstance(outcome, CapasError):
                yield Prediction(
                    input=name,
                    prediction=None,
                    probability=None,
                    probabilities={},
                    refused=outcome.part("what"),
                )
                continue
            row = next(rows)
            best = int(row.argmax())
            yield Prediction(
                input=name,
                prediction=self.classes[best],
                probability=float(row[best]),
                probabilities=dict(zip(self.classes, row.tolist(), strict=True)),
            )

    def export(self, path: str | Path, pictures: Iterable[Picture] = ()) -> Exported:
        """Write the model as ONNX, compared with torch on ``pictures``, or on 16 of noise when none are given."""
        shape = self.bundle.preparation.shape
        given = [self.prepared(picture) for picture in pictures]
        noise = torch.randint(0, 256, (16, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        return export_onnx(self.bundle, Path(path), torch.stack(given) if given else noise)


def load_model(where: str | Path, *, device: str = "cpu") -> Model:
    """The model of a run, or of a bundle's folder. Raises CapasError when there is none, or on a foreign pickle."""
    folder = Path(where)
    if str(where) == "latest" or (folder / "config.toml").is_file():
        run = find_run(where)
        if not (run.bundle / "card.json").is_file():
            raise CapasError("run_unfinished", where=run.folder)
        folder = run.bundle
    return Model(read_bundle(folder), device=device)


def expand_inputs(inputs: Sequence[str], lines: Iterable[str] = ()) -> Iterator[Picture]:
    """The pictures that the user named: files, folders (with everything in them), "-" for a path per line of
    ``lines``, ``sample:NAME`` for the test pictures of a sample. Raises CapasError for a path that does not exist.
    """
    for text in inputs:
        if text == "-":
            yield from (Path(line.rstrip("\r\n")) for line in lines if line.strip())
        elif text.startswith("sample:"):
            sample = open_sample(text.removeprefix("sample:"))
            for i, part in enumerate(sample.fixed_split):
                if part == "test":
                    yield sample.pictures.decode(i)
        elif Path(text).is_dir():
            yield from list_folder(Path(text)).pictures
        elif Path(text).exists():
            yield Path(text)
        else:
            raise CapasError("no_such_picture", where=text)
