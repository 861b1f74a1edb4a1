"""Lines of writing and sounds of speech as sequences: read, brought to one height or rate, padded, varied."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional

from capas.bundle.export import Given
from capas.bundle.export_forms import LogMel
from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.spec import Medium
from capas.data.augment_lines import LineVariation, vary_lines
from capas.data.inputs import Inputs, Sounds
from capas.data.look import Look
from capas.data.mel import frame_counts
from capas.data.pictures import Pictures
from capas.data.sound import read_sound
from capas.data.statistics import PictureStatistics
from capas.data.survey import SoundStatistics
from capas.data.target_files import LINE_HEIGHT
from capas.engine.config import Config
from capas.engine.recipe import Item, Work
from capas.engine.recipes.mask_answers import picture_item
from capas.engine.recipes.pictures import picture_items, read_picture
from capas.engine.recipes.restored import with_channels
from capas.engine.recipes.sounds import (
    SoundPreparation,
    augmentation_of,
    given_wave,
    heard_by,
    measured,
    sound_items,
    spectrograms_of,
)
from capas.engine.settle import chosen
from capas.networks.crnn import COLUMNS_PER_FRAME, STEPS_PER_FRAME, LineReader, ReaderConfig, SoundReader

LONGEST: Final = 64  # times the height: a longer line is squeezed
LONGEST_S: Final = 60.0
WIDTH_STEP: Final = 64  # columns
HEIGHT_STEP: Final = 16  # the network halves it four times


@dataclass(frozen=True, kw_only=True, slots=True)
class Padded:
    """``values`` of several lines (B×1×H×W) or sounds (B×M×T), zeros behind the end of each, and their ``lengths``."""

    values: Tensor
    lengths: Tensor


@runtime_checkable
class ReadingSide(Protocol):
    """What lines or sounds contribute."""

    @property
    def name(self) -> str:
        """The network's."""

    def settled(self, config: Config, seen: Look) -> dict[str, dict[str, object]]:
        """Sections of the configuration with what they leave open."""

    @property
    def hidden(self) -> int:
        """LSTM units each way."""

    def network(self, num_labels: int, width: int, hidden: int) -> nn.Module:
        """With fresh weights."""

    def read_all(self, work: Work) -> list[Tensor]:
        """All examples of a run."""

    def fitted(self, examples: Sequence[Tensor]) -> "ReadingSide":
        """The same side with what is measured on training examples."""

    def read(self, item: Item) -> Tensor:
        """One example. Raises CapasError."""

    def read_example(self, inputs: Inputs, index: int) -> Tensor:
        """The same for an example of a data set."""

    def length(self, example: Tensor) -> int:
        """In columns or samples."""

    def frames(self, lengths: Tensor) -> Tensor:
        """How many frames the network makes of so many columns or samples."""

    def collate(
        self, examples: Sequence[Tensor], config: Config | None = None, rng: torch.Generator | None = None
    ) -> Padded:
        """As the network takes them; varied where ``rng`` is given."""

    def like(self, seen: Look, rng: torch.Generator) -> Tensor:
        """Noise of the usual size."""

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """See ``Answering``."""

    def item(self, content: object, number: int) -> Item:
        """See ``Answering``."""

    def given(self) -> tuple[Given, LogMel | None]:
        """The input of an exported reader, one example at a time, and what makes a spectrogram of it."""

    def as_json(self) -> Mapping[str, object]:
        """``preparation.json``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LineSide:
    """Lines of writing ``height`` pixels high, uint8 H×W with the ink high."""

    height: int
    name: str = "crnn"
    hidden: int = 160

    def settled(self, config: Config, seen: Look) -> dict[str, dict[str, object]]:
        height = chosen(config.data.image_size, LINE_HEIGHT)
        if height % HEIGHT_STEP:
            raise CapasError("line_height", where="data.image_size", received=height, step=HEIGHT_STEP)
        return {
            "data": {"image_size": height, "channels": 1},
            "augment": {"crop": chosen(config.augment.crop, 0.12), "colour": chosen(config.augment.colour, 0.3)},
        }

    def network(self, num_labels: int, width: int, hidden: int) -> nn.Module:
        config = ReaderConfig(size=self.height, num_labels=num_labels, width=width, hidden=hidden, dropout=0.3)
        return LineReader(config)

    def read_all(self, work: Work) -> list[Tensor]:
        pictures, lines = work.inputs, []
        assert isinstance(pictures, Pictures)
        with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
            for line in pool.map(lambda i: self.read_example(pictures, i), work.indices):
                lines.append(line)
                work.progress(len(lines), len(work.indices))
        return lines

    def fitted(self, examples: Sequence[Tensor]) -> "LineSide":
        return self

    def read(self, item: Item) -> Tensor:
        return self.line(read_picture(item))

    def read_example(self, inputs: Inputs, index: int) -> Tensor:
        assert isinstance(inputs, Pictures)
        return self.line(inputs.decode(index))

    def line(self, picture: NDArray[np.uint8]) -> Tensor:
        """Grey, of the right height, dark writing made light."""
        grey = with_channels(picture, 1)[..., 0]
        width = max(1, min(LONGEST * self.height, round(grey.shape[1] * self.height / grey.shape[0])))
        resized = Image.fromarray(grey).resize((width, self.height), Image.Resampling.BILINEAR, reducing_gap=3.0)
        line = torch.from_numpy(np.array(resized, dtype=np.uint8))
        return stretched(line if line.median() < 128 else 255 - line)

    def length(self, example: Tensor) -> int:
        return example.shape[1]

    def frames(self, lengths: Tensor) -> Tensor:
        return -(-lengths // COLUMNS_PER_FRAME)

    def collate(
        self, examples: Sequence[Tensor], config: Config | None = None, rng: torch.Generator | None = None
    ) -> Padded:
        lengths = torch.tensor([self.length(example) for example in examples])
        values = torch.zeros(len(examples), 1, self.height, int(lengths.max()))
        for row, example in enumerate(examples):
            values[row, 0, :, : example.shape[1]] = example.float() / 255
        if config is not None and rng is not None:
            values, lengths = vary_lines(values, lengths, variation_of(config), rng)
        # Few widths: a processor prepares its convolutions anew for each.
        return Padded(values=functional.pad(values, (0, -values.shape[3] % WIDTH_STEP)), lengths=lengths)

    def like(self, seen: Look, rng: torch.Generator) -> Tensor:
        assert isinstance(seen.statistics, PictureStatistics)
        width = round(seen.statistics.width.middle * self.height / seen.statistics.height.middle)
        return torch.randint(256, (self.height, max(1, min(LONGEST * self.height, width))), generator=rng).to(
            torch.uint8
        )

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return picture_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return picture_item(content, number)

    def given(self) -> tuple[Given, LogMel | None]:
        noise = torch.randint(256, (1, self.height, 6 * self.height), generator=torch.Generator().manual_seed(0))
        told = (
            "0..255, grey, the ink light: scaled to this height; where the median is 128 or more, 255 - value; then "
            "(value - p10) * 255 / max(p98 - p10, 20), between 0 and 255, with the line's percentiles 10 and 98"
        )
        given = Given(name="lines", axes=(1, self.height, "width"), values=told, example=noise.to(torch.uint8))
        return given, None

    def as_json(self) -> Mapping[str, object]:
        return asdict(self)


def stretched(line: Tensor) -> Tensor:
    """The darkest tenth and more is ground, 0; the 98th of 100 parts and more ink, 255; never by more than
    twelvefold."""
    values = line.float()
    low, high = torch.quantile(values.flatten()[:: max(1, line.numel() // 50_000)], torch.tensor([0.1, 0.98])).tolist()
    contrast: Tensor = (values - low) * (255 / max(high - low, 20.0))
    return contrast.round().clamp(0, 255).to(torch.uint8)


def variation_of(config: Config) -> LineVariation:
    """How training lines are varied: up and down and in their ink by what ``[augment]`` says, in their shape by its
    ``hand``."""
    augment, whole = config.augment, LineVariation()
    shift, ink, hand = float(augment.crop), float(augment.colour), augment.hand
    return LineVariation(
        shift=shift, ink=ink, slant=whole.slant * hand, size=whole.size * hand, warp=whole.warp * hand,
        stroke=whole.stroke * hand, fade=whole.fade * hand, noise=whole.noise * hand,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundSide:
    """Sounds of speech as samples; ``preparation`` makes them spectrograms. None is cut: what is said would be lost."""

    preparation: SoundPreparation
    name: str = "crnn-sound"
    hidden: int = 96

    def settled(self, config: Config, seen: Look) -> dict[str, dict[str, object]]:
        sounds = seen.statistics
        if not isinstance(sounds, SoundStatistics):
            raise CapasError("no_sounds_to_learn", where=seen.source.root)
        rate = chosen(config.sound.rate, min(16_000, sounds.commonest_rate))
        seconds = chosen(config.sound.seconds, min(LONGEST_S, max(0.2, sounds.longest_s)))
        return {"sound": {"rate": rate, "seconds": seconds}}

    def network(self, num_labels: int, width: int, hidden: int) -> nn.Module:
        bands = self.preparation.num_mels
        return SoundReader(ReaderConfig(size=bands, num_labels=num_labels, width=width, hidden=hidden))

    def read_all(self, work: Work) -> list[Tensor]:
        sounds, waves = work.inputs, []
        with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
            for wave in pool.map(lambda i: self.read_example(sounds, i), work.indices):
                waves.append(wave)
                work.progress(len(waves), len(work.indices))
        return waves

    def fitted(self, examples: Sequence[Tensor]) -> "SoundSide":
        return replace(self, preparation=measured([example.numpy() for example in examples], self.preparation))

    def read(self, item: Item) -> Tensor:
        content = item.content
        if isinstance(content, np.ndarray) and content.dtype == np.float32 and content.ndim == 1 and content.size:
            return torch.from_numpy(content)
        if not isinstance(content, str | Path):
            raise CapasError("not_a_sound_array", where=item.name, received=type(content).__name__)
        return self._wave(Path(content))

    def read_example(self, inputs: Inputs, index: int) -> Tensor:
        assert isinstance(inputs, Sounds)
        return self._wave(inputs.paths[index])

    def _wave(self, path: Path) -> Tensor:
        return torch.from_numpy(read_sound(path, rate=self.preparation.rate).samples)

    def length(self, example: Tensor) -> int:
        return len(example)

    def frames(self, lengths: Tensor) -> Tensor:
        return -(-frame_counts(lengths, self.preparation.mel) // STEPS_PER_FRAME)

    def collate(
        self, examples: Sequence[Tensor], config: Config | None = None, rng: torch.Generator | None = None
    ) -> Padded:
        varied = None if config is None else replace(augmentation_of(config), shift=0.0)
        found = spectrograms_of([example.numpy() for example in examples], self.preparation, varied, rng)
        return Padded(values=found.values, lengths=found.lengths)

    def like(self, seen: Look, rng: torch.Generator) -> Tensor:
        assert isinstance(seen.statistics, SoundStatistics)
        return torch.randn(max(1, round(seen.statistics.median_s * self.preparation.rate)), generator=rng) / 10

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return sound_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return Item(name=str(content) if isinstance(content, str | Path) else f"sound {number}", content=content)

    def given(self) -> tuple[Given, LogMel | None]:
        return given_wave(self.preparation, 1), heard_by(self.preparation)

    def as_json(self) -> Mapping[str, object]:
        return asdict(self)


def side_of(medium: Medium, config: Config | None = None) -> ReadingSide:
    """The side of ``medium``, as a settled configuration wants it."""
    if medium == "image":
        return LineSide(height=LINE_HEIGHT if config is None else int(config.data.image_size))
    rate, seconds, bands = (16_000, 1.0, 64) if config is None else _sound(config)
    return SoundSide(preparation=SoundPreparation(rate=rate, seconds=seconds, num_mels=bands))


def _sound(config: Config) -> tuple[int, float, int]:
    sound = config.sound
    assert sound.rate != "auto" and sound.seconds != "auto"
    return sound.rate, sound.seconds, sound.bands


_LINES: TypeAdapter[LineSide] = TypeAdapter(LineSide)
_SOUNDS: TypeAdapter[SoundSide] = TypeAdapter(SoundSide)


def side_of_card(bundle: Bundle) -> ReadingSide:
    """The side that ``bundle`` was trained with. Raises CapasError ``bundle_incomplete``."""
    adapter: TypeAdapter[LineSide] | TypeAdapter[SoundSide] = _LINES if bundle.card.medium == "image" else _SOUNDS
    try:
        return adapter.validate_python(bundle.file(PREPARATION))
    except ValidationError as error:
        received = str(error.errors()[0]["msg"])
        raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=received) from error
