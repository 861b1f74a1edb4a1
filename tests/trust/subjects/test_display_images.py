"""What is shown of an input: pictures as they are, sounds with the low tones at the bottom, else nothing."""

import numpy as np
import torch

from capas.trust.subjects.audio_inputs import spectrogram_image
from capas.trust.subjects.factory import input_adapter
from tests.trust.made_models import half_pictures, images_reader, sounds_reader, tone, words_reader


def test_low_tones_lie_at_the_bottom_and_loud_is_light() -> None:
    values = torch.zeros(4, 100)
    values[0, 50:] = 5.0  # the lowest band, in the second half
    shown = spectrogram_image(values)
    assert shown.shape == (4, 100) and shown.dtype == np.uint8
    assert (shown[3, 50:] == 255).all() and shown[:3].max() == 0 and shown[3, :50].max() == 0


def test_it_is_stretched_to_all_greys_whatever_its_unit() -> None:
    values = torch.linspace(0, 1, 200).view(2, 100)
    assert np.array_equal(spectrogram_image(values), spectrogram_image(8 * values - 23))
    assert spectrogram_image(values).min() == 0 and spectrogram_image(values).max() == 255
    assert spectrogram_image(torch.full((3, 9), -4.0)).max() == 0  # nothing to tell apart


def test_each_kind_of_input_is_shown_by_its_reader() -> None:
    pixels = half_pictures([0]).decode(0)
    shown = input_adapter(images_reader()).display_image(torch.from_numpy(pixels).permute(2, 0, 1))
    assert shown is not None and np.array_equal(shown, pixels[..., 0])
    reader, wave = sounds_reader(), np.concatenate([tone(300, 0.2), tone(3500, 0.2)])
    sound = input_adapter(reader).display_image(wave)
    assert sound is not None
    assert sound[-1, 2:18].mean() > sound[0, 2:18].mean() and sound[-1, 24:38].mean() < sound[0, 24:38].mean()
    assert input_adapter(words_reader({"a": 1.0})).display_image("a") is None
