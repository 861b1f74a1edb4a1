"""The answers of a model from picture to picture: figures beside those of not learning, and the pictures themselves."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.random import stream
from capas.data.lab import rgb_to_lab
from capas.data.look import Look
from capas.data.made_pairs import Pair, as_float, as_uint8, make_pair, with_holes
from capas.data.pictures import MAX_PIXELS, Pictures, read_info
from capas.data.zones import bounded
from capas.engine.choose import Execution
from capas.engine.recipe import Item, Prediction, Tested
from capas.engine.recipes.exported_pictures import exportable_restorer
from capas.engine.recipes.mask_answers import picture_item
from capas.engine.recipes.pictures import picture_items, read_picture
from capas.engine.recipes.restoring import Quality, Restorer, quality
from capas.tasks.restore import mean_rate

_UNITS: Final = {"psnr": "dB", "ssim": "", "delta_e": ""}


def with_channels(picture: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """uint8 H×W×C in grey (1) or colour (3)."""
    if picture.shape[2] == channels:
        return picture
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    converted = np.array(image.convert("L" if channels == 1 else "RGB"), dtype=np.uint8)
    return converted[..., None] if channels == 1 else converted


def tested_on(
    pairs: Iterable[tuple[str, Pair]], restorer: Restorer, network: nn.Module, execution: Execution
) -> Tested:
    """Figures over whole pictures, the mean of them; the gain is over the same pictures without learning."""
    found: list[Quality] = []
    without: list[Quality] = []
    rows = [["example", "psnr", "ssim", "delta_e", f"psnr {restorer.baseline}"]]
    for name, pair in pairs:
        wanted = restorer.wanted_picture(pair.given, pair.wanted)
        found.append(quality(restorer.restore(network, pair.given, execution), wanted))
        without.append(quality(restorer.unlearnt(pair.given), wanted))
        cells = (found[-1].psnr, found[-1].ssim, found[-1].delta_e, without[-1].psnr)
        rows.append([name, *("" if cell is None else f"{cell:.4f}" for cell in cells)])
    colours = restorer.kind == "colourise"
    metrics, baseline = _figures(found, colours), _figures(without, colours)
    gain = torch.tensor([a.psnr - b.psnr for a, b in zip(found, without, strict=True)])
    metrics["psnr_gain"] = {**mean_rate(gain).as_json(), "unit": "dB"}
    if colours:
        less = [(b.delta_e or 0.0) - (a.delta_e or 0.0) for a, b in zip(found, without, strict=True)]
        metrics["delta_e_gain"] = {**mean_rate(torch.tensor(less)).as_json(), "unit": ""}
    return Tested(n=len(found), metrics=metrics, baseline={restorer.baseline: baseline}, rows=rows)


def _figures(found: Sequence[Quality], colours: bool) -> dict[str, object]:
    columns: dict[str, list[float | None]] = {
        **({"delta_e": [q.delta_e for q in found]} if colours else {}),
        "psnr": [q.psnr for q in found],
        "ssim": [q.ssim for q in found],
    }
    figures: dict[str, object] = {}
    for name, column in columns.items():
        values = [value for value in column if value is not None]
        if values:
            figures[name] = {**mean_rate(torch.tensor(values)).as_json(), "unit": _UNITS[name]}
    return figures


@dataclass(frozen=True, kw_only=True, slots=True)
class RestorerCard(Restorer):
    """A Restorer as the bundle keeps it, with the strongest ``noise`` (0..255) that it was trained on."""

    noise: float


_ADAPTER: TypeAdapter[RestorerCard] = TypeAdapter(RestorerCard)


class RestorationModel:
    """A finished model (``Answering``) from picture to picture."""

    def __init__(self, network: nn.Module, restorer: RestorerCard) -> None:
        self._network = network
        self.restorer = restorer

    @staticmethod
    def reopen(bundle: Bundle) -> "RestorationModel":
        """The model of ``bundle``. Raises CapasError ``bundle_incomplete``."""
        try:
            restorer = _ADAPTER.validate_python(bundle.file(PREPARATION))
            network = restorer.network()
        except (ValidationError, ValueError) as error:
            received = str(error).splitlines()[0]
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=received) from error
        return RestorationModel(bundle.fill(network), restorer)

    @property
    def network(self) -> nn.Module:
        return self._network

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return picture_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return picture_item(content, number)

    def read(self, item: Item) -> Tensor:
        """What the network is given, at the picture's own size, uint8 but for the holes."""
        if self.restorer.kind == "inpaint":
            return self._with_holes(item)
        picture = with_channels(read_picture(item), 3 if self.restorer.kind == "colourise" else self.restorer.channels)
        pixels = picture.shape[0] * picture.shape[1] * self.restorer.scale**2
        if pixels > MAX_PIXELS:
            received, limit = f"{pixels / 1e6:.0f}", f"{MAX_PIXELS / 1e6:g}"
            raise CapasError("picture_too_large", where=item.name, received=received, limit=limit)
        whole = as_float(picture)
        return rgb_to_lab(whole[None])[0, :1] if self.restorer.kind == "colourise" else whole

    def _with_holes(self, item: Item) -> Tensor:
        pixels = _with_transparency(item)
        mask = torch.from_numpy((pixels[..., 3] < 128).astype(np.float32))[None]
        if not mask.any() or mask.all():
            raise CapasError("hole_missing", where=item.name)
        return with_holes(as_float(with_channels(pixels[..., :3], self.restorer.channels)), mask)

    def answer(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        execution = _plain(self._network)
        found = []
        for name, given in zip(names, prepared, strict=True):
            assert isinstance(given, Tensor)
            picture = as_uint8(self.restorer.restore(self._network, given, execution))
            size = f"{picture.shape[1]}×{picture.shape[0]}"
            shown = picture[..., 0] if picture.shape[2] == 1 else picture
            facts: dict[str, object] = {"width": picture.shape[1], "height": picture.shape[0]}
            found.append(Prediction(input=name, prediction=self.restorer.kind, text=size, facts=facts, picture=shown))
        return found

    def retest(self, seen: Look, indices: Sequence[int]) -> Tested:
        pairs = ((seen.inputs.name(i), self._pair(seen, i)) for i in indices)
        return tested_on(pairs, self.restorer, self._network, _plain(self._network))

    def _pair(self, seen: Look, index: int) -> Pair:
        restorer, pictures = self.restorer, cast(Pictures, seen.inputs)
        picture = with_channels(pictures.decode(index), restorer.channels)
        if restorer.kind == "pairs":
            if seen.source.targets is None:
                raise CapasError("transform_no_pairs", where=seen.source.root, kinds="pairs")
            wanted = as_float(with_channels(cast(Pictures, seen.source.targets).decode(index), restorer.channels))
            given = as_float(picture)
            if [restorer.scale * side for side in given.shape[1:]] != list(wanted.shape[1:]):
                received = "×".join(map(str, wanted.shape[1:]))
                raise CapasError("pair_of_other_size", where=pictures.name(index), received=received,
                                 factor=restorer.scale)  # fmt: skip
            return Pair(given=given, wanted=wanted)
        smaller = bounded(picture, restorer.largest_side)
        rng = stream(0, "spoil", seen.keys[index])
        return make_pair(
            restorer.kind, smaller, factor=restorer.scale, noise=restorer.noise, rng=rng, training=False
        )  # fmt: skip

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        return exportable_restorer(self._network, self.restorer, [p for p in prepared if isinstance(p, Tensor)])


def _plain(network: nn.Module) -> Execution:
    device = next(network.parameters()).device
    return Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")


def _with_transparency(item: Item) -> NDArray[np.uint8]:
    """uint8 H×W×4 of an item. Raises CapasError where it cannot be read or has no transparency."""
    if not isinstance(item.content, str | Path):
        array = read_picture(item)
        if array.shape[2] != 4:
            raise CapasError("hole_missing", where=item.name)
        return array
    read_info(Path(item.content))  # the checks on what a header promises
    read_picture(item)
    with Image.open(item.content) as image:
        upright = ImageOps.exif_transpose(image)
        return np.array(upright.convert("RGBA"), dtype=np.uint8)
