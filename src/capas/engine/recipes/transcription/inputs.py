"""Transcription inputs by medium, for training and for restored bundles."""

from pydantic import TypeAdapter, ValidationError

from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.spec import Medium
from capas.data.inspect.target_checks import LINE_HEIGHT
from capas.engine.config import Config
from capas.engine.recipes.shared.spectrograms import (
    AudioPreparation,
)
from capas.engine.recipes.transcription.input_protocol import SequenceInputs
from capas.engine.recipes.transcription.line_images import LineImageInputs
from capas.engine.recipes.transcription.speech import SpeechInputs


def sequence_inputs_for(medium: Medium, config: Config | None = None) -> SequenceInputs:
    """Return the inputs of ``medium``, as a resolved configuration wants them."""
    if medium == "image":
        return LineImageInputs(height=LINE_HEIGHT if config is None else int(config.data.image_size))
    rate, seconds, bands = (16_000, 1.0, 64) if config is None else _sound(config)
    return SpeechInputs(preparation=AudioPreparation(rate=rate, seconds=seconds, num_mels=bands))


def _sound(config: Config) -> tuple[int, float, int]:
    sound = config.audio
    assert sound.sample_rate != "auto" and sound.seconds != "auto"
    return sound.sample_rate, sound.seconds, sound.n_mels


_LINES: TypeAdapter[LineImageInputs] = TypeAdapter(LineImageInputs)
_SOUNDS: TypeAdapter[SpeechInputs] = TypeAdapter(SpeechInputs)


def restore_sequence_inputs(bundle: Bundle) -> SequenceInputs:
    """Restore the inputs that ``bundle`` was trained with. Raises CapasError ``bundle_incomplete``."""
    adapter: TypeAdapter[LineImageInputs] | TypeAdapter[SpeechInputs] = (
        _LINES if bundle.card.medium == "image" else _SOUNDS
    )
    try:
        return adapter.validate_python(bundle.file(PREPARATION))
    except ValidationError as error:
        received = str(error.errors()[0]["msg"])
        raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=received) from error
