"""Lines of writing: one height, dark writing made light, padded with nothing."""

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.data.image.augment_lines import LineAugmentation
from capas.data.image.io import ImageArray
from capas.engine.config import Config
from capas.engine.recipe import Item
from capas.engine.recipes.transcription.input_protocol import SequenceInputs
from capas.engine.recipes.transcription.line_images import LineImageInputs, line_augmentation, stretch_contrast
from tests.engine.recipes.made_work import image_statistics_of, pixels, report_of, spec_of, texts_of, work_of

INPUTS = LineImageInputs(height=16)
SPEC = spec_of("transcribe", "image", target="transcript")


def written(
    height: int = 32, width: int = 80, paper: int = 200, ink: int = 30
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A stroke of ink over a fifth of the paper."""
    picture = np.full((height, width, 3), paper, np.uint8)
    picture[:, width // 5 : 2 * width // 5] = ink
    return picture


def test_dark_writing_becomes_light_and_light_writing_stays() -> None:
    dark, light = INPUTS.line(written()), INPUTS.line(written(paper=30, ink=200))
    assert dark.shape == light.shape == (16, 40) and dark.dtype == torch.uint8
    for line in (dark, light):
        assert line[:, 10:14].min() > 250 and line[:, 20:].max() < 5
    torch.testing.assert_close(dark.float(), light.float(), atol=2, rtol=0)


def test_contrast_is_stretched_between_percentiles_10_and_98() -> None:
    line = torch.arange(100, dtype=torch.uint8)[None].repeat(4, 1)
    low, high = np.percentile(line, [10, 98])
    expected = np.clip(np.round((line.numpy().astype(float) - low) * 255 / (high - low)), 0, 255)
    assert np.abs(stretch_contrast(line).numpy() - expected).max() <= 1
    # Of an empty line no noise is made into ink: at most 255 / 20.
    faint = torch.tensor([[100, 101, 102, 103]], dtype=torch.uint8)
    assert int(stretch_contrast(faint).max()) <= 3 * 13
    assert stretch_contrast(torch.full((2, 3), 7, dtype=torch.uint8)).tolist() == [[0] * 3] * 2


def test_a_line_is_at_most_64_times_as_wide_as_high() -> None:
    assert INPUTS.line(np.full((2, 400, 1), 255, np.uint8)).shape == (16, 1024)
    assert INPUTS.line(np.full((400, 2, 1), 255, np.uint8)).shape == (16, 1)


def test_a_batch_is_padded_with_zeros_to_a_multiple_of_64() -> None:
    lines = [torch.full((16, width), 51, dtype=torch.uint8) for width in (70, 3)]
    batch = INPUTS.collate(lines)
    assert batch.values.shape == (2, 1, 16, 128) and batch.lengths.tolist() == [70, 3]
    assert batch.values[0, 0, :, :70].unique().tolist() == pytest.approx([0.2])
    assert not batch.values[0, 0, :, 70:].any() and not batch.values[1, 0, :, 3:].any()
    assert INPUTS.num_frames(torch.tensor([1, 4, 5, 70])).tolist() == [1, 1, 2, 18] and INPUTS.length(lines[0]) == 70


def test_training_lines_are_varied_by_their_chance() -> None:
    config = Config().merged({"augment.crop": 0.1, "augment.colour": 0.3})
    lines = [INPUTS.line(written()), INPUTS.line(written(width=60))]
    one, same, other = (INPUTS.collate(lines, config, torch.Generator().manual_seed(seed)).values for seed in (1, 1, 2))
    assert torch.equal(one, same) and (one.shape != other.shape or not torch.equal(one, other))


def test_handwriting_scales_what_bends_a_line() -> None:
    whole = LineAugmentation()
    settings = {"augment.crop": 0.1, "augment.colour": 0.2}
    half, none = (
        line_augmentation(Config().merged({**settings, "augment.handwriting": share})) for share in (0.5, 0.0)
    )
    assert (half.shift, half.ink, half.slant, half.warp) == (0.1, 0.2, whole.slant / 2, whole.warp / 2)
    assert none.slant == none.size == none.warp == none.stroke == none.fade == none.noise == 0


@pytest.mark.parametrize(("wanted", "height"), [("auto", None), (32, 32)])
def test_the_height_is_a_multiple_of_16(wanted: object, height: int | None) -> None:
    report = report_of(texts_of(["a"]), SPEC, ["train"])
    updates = INPUTS.config_updates(Config().merged({"data.image_size": wanted}), report)
    size = updates["data"]["image_size"]
    assert isinstance(size, int) and size % 16 == 0 and size == (height or size)
    assert updates["data"]["channels"] == 1 and updates["augment"] == {"crop": 0.12, "colour": 0.3}
    with pytest.raises(CapasError) as error:
        INPUTS.config_updates(Config().merged({"data.image_size": 40}), report)
    assert (error.value.key, error.value.where, error.value.received) == ("line_height", "data.image_size", "40")


def test_all_lines_are_read_in_the_order_of_the_run() -> None:
    pictures = ImageArray(pixels(3, 16, 20), "p")
    lines = INPUTS.read_all(work_of(pictures, SPEC, ["train", "test"], {}, indices=[2, 0]))
    assert torch.equal(lines[0], INPUTS.line(pixels(3, 16, 20)[2])) and len(lines) == 2
    assert torch.equal(INPUTS.preprocess(Item(name="", content=pixels(3, 16, 20)[2])), lines[0])
    assert INPUTS.fit(lines) is INPUTS and isinstance(INPUTS, SequenceInputs) and INPUTS.audio is None


def test_noise_has_the_shape_of_the_median_line() -> None:
    report = report_of(texts_of(["a"]), SPEC, ["train"], statistics=image_statistics_of(100, 10))
    assert INPUTS.random_example(report, torch.Generator().manual_seed(0)).shape == (16, 160)


def test_an_exported_reader_takes_bytes_of_its_height() -> None:
    taken, log_mel = INPUTS.export_inputs()
    assert taken.axes == (1, 16, "width") and taken.example.dtype == torch.uint8 and log_mel is None
    assert INPUTS.as_json() == {"height": 16, "name": "crnn", "hidden": 160}
