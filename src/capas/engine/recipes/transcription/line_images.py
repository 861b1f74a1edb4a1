"""Line images as sequences: resized to one height, contrast-stretched, padded, augmented."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from capas.bundle.export import ExportInput
from capas.bundle.export_wrappers import LogMelLayer
from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.data.collections import ExampleCollection
from capas.data.image.augment_lines import LineAugmentation, augment_lines
from capas.data.image.io import ImageCollection
from capas.data.inspect.image_statistics import ImageStatistics
from capas.data.inspect.report import DatasetReport
from capas.data.inspect.target_checks import LINE_HEIGHT
from capas.engine.config import Config
from capas.engine.defaults import resolve_auto
from capas.engine.recipe import Item, PreparedDataset
from capas.engine.recipes.shared.image_items import image_item, image_items, read_image_item, with_channels
from capas.engine.recipes.transcription.input_protocol import PaddedSequences
from capas.networks.document.crnn import COLUMNS_PER_FRAME, CRNNConfig, LineCRNN

MAX_ASPECT_RATIO: Final = 64  # times the height: a longer line is squeezed
WIDTH_STEP: Final = 64  # columns
HEIGHT_STEP: Final = 16  # the network halves it four times


@dataclass(frozen=True, kw_only=True, slots=True)
class LineImageInputs:
    """Line images, uint8 H×W with the ink high (``SequenceInputs``).

    Attributes:
        height: In pixels, a multiple of 16.
        name: Name of the network.
        hidden: LSTM units per direction.
    """

    height: int
    name: str = "crnn"
    hidden: int = 160

    @property
    def audio(self) -> None:
        return None

    def config_updates(self, config: Config, report: DatasetReport) -> dict[str, dict[str, object]]:
        height = resolve_auto(config.data.image_size, LINE_HEIGHT)
        if height % HEIGHT_STEP:
            raise CapasError("line_height", where="data.image_size", received=height, step=HEIGHT_STEP)
        return {
            "data": {"image_size": height, "channels": 1},
            "augment": {
                "crop": resolve_auto(config.augment.crop, 0.12),
                "colour": resolve_auto(config.augment.colour, 0.3),
            },
        }

    def network(self, num_labels: int, width: int, hidden: int) -> nn.Module:
        config = CRNNConfig(size=self.height, num_labels=num_labels, width=width, hidden=hidden, dropout=0.3)
        return LineCRNN(config)

    def read_all(self, work: PreparedDataset) -> list[Tensor]:
        pictures, lines = work.inputs, []
        assert isinstance(pictures, ImageCollection)
        with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
            for line in pool.map(lambda i: self.preprocess_example(pictures, i), work.indices):
                lines.append(line)
                work.progress(len(lines), len(work.indices))
        return lines

    def fit(self, examples: Sequence[Tensor]) -> "LineImageInputs":
        return self

    def preprocess(self, item: Item) -> Tensor:
        return self.line(read_image_item(item))

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> Tensor:
        assert isinstance(inputs, ImageCollection)
        return self.line(inputs.decode(index))

    def line(self, picture: NDArray[np.uint8]) -> Tensor:
        """Preprocess an image, uint8 H×W×C: grey, resized to ``height``, dark writing made light."""
        grey = with_channels(picture, 1)[..., 0]
        width = max(1, min(MAX_ASPECT_RATIO * self.height, round(grey.shape[1] * self.height / grey.shape[0])))
        resized = Image.fromarray(grey).resize((width, self.height), Image.Resampling.BILINEAR, reducing_gap=3.0)
        line = torch.from_numpy(np.array(resized, dtype=np.uint8))
        return stretch_contrast(line if line.median() < 128 else 255 - line)

    def length(self, example: Tensor) -> int:
        return example.shape[1]

    def num_frames(self, lengths: Tensor) -> Tensor:
        return -(-lengths // COLUMNS_PER_FRAME)

    def collate(
        self, examples: Sequence[Tensor], config: Config | None = None, rng: torch.Generator | None = None
    ) -> PaddedSequences:
        lengths = torch.tensor([self.length(example) for example in examples])
        values = torch.zeros(len(examples), 1, self.height, int(lengths.max()))
        for row, example in enumerate(examples):
            values[row, 0, :, : example.shape[1]] = example.float() / 255
        if config is not None and rng is not None:
            values, lengths = augment_lines(values, lengths, line_augmentation(config), rng)
        # Few widths: a processor prepares its convolutions anew for each.
        return PaddedSequences(values=functional.pad(values, (0, -values.shape[3] % WIDTH_STEP)), lengths=lengths)

    def random_example(self, report: DatasetReport, rng: torch.Generator) -> Tensor:
        assert isinstance(report.statistics, ImageStatistics)
        width = round(report.statistics.width.median * self.height / report.statistics.height.median)
        return torch.randint(256, (self.height, max(1, min(MAX_ASPECT_RATIO * self.height, width))), generator=rng).to(
            torch.uint8
        )

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return image_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return image_item(content, number)

    def export_inputs(self) -> tuple[ExportInput, LogMelLayer | None]:
        noise = torch.randint(256, (1, self.height, 6 * self.height), generator=torch.Generator().manual_seed(0))
        description = (
            "0..255, grey, the ink light: scaled to this height; where the median is 128 or more, 255 - value; then "
            "(value - p10) * 255 / max(p98 - p10, 20), between 0 and 255, with the line's percentiles 10 and 98"
        )
        export_input = ExportInput(
            name="lines", axes=(1, self.height, "width"), values=description, example=noise.to(torch.uint8)
        )
        return export_input, None

    def as_json(self) -> Mapping[str, object]:
        return asdict(self)


def stretch_contrast(line: Tensor) -> Tensor:
    """Stretch the contrast linearly: the 10th percentile becomes 0 (ground), the 98th 255 (ink), by a factor of at most
    about 13.
    """
    values = line.float()
    low, high = torch.quantile(values.flatten()[:: max(1, line.numel() // 50_000)], torch.tensor([0.1, 0.98])).tolist()
    contrast: Tensor = (values - low) * (255 / max(high - low, 20.0))
    return contrast.round().clamp(0, 255).to(torch.uint8)


def line_augmentation(config: Config) -> LineAugmentation:
    """Return the augmentation of training lines: position and ink by the values of ``[augment]``, shape by its
    ``handwriting``.
    """
    augment, whole = config.augment, LineAugmentation()
    shift, ink, handwriting = float(augment.crop), float(augment.colour), augment.handwriting
    return LineAugmentation(
        shift=shift, ink=ink, slant=whole.slant * handwriting, size=whole.size * handwriting,
        warp=whole.warp * handwriting, stroke=whole.stroke * handwriting,
        fade=whole.fade * handwriting, noise=whole.noise * handwriting,
    )  # fmt: skip
