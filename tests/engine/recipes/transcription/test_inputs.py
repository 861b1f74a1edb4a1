"""Inputs of readers by medium, for training and from bundles."""

import pytest

from capas.core.errors import CapasError
from capas.core.spec import FieldKind
from capas.engine.config import Config
from capas.engine.recipes.shared.spectrograms import AudioPreparation
from capas.engine.recipes.transcription.inputs import restore_sequence_inputs, sequence_inputs_for
from capas.engine.recipes.transcription.line_images import LineImageInputs
from capas.engine.recipes.transcription.speech import SpeechInputs
from tests.engine.recipes.made_work import bundle_of, network_card, spec_of


def test_pictures_are_lines_and_sounds_are_speech() -> None:
    config = Config().merged(
        {"data.image_size": 32, "audio.sample_rate": 8000, "audio.seconds": 2.5, "audio.n_mels": 8}
    )
    lines, speech = sequence_inputs_for("image", config), sequence_inputs_for("audio", config)
    assert isinstance(lines, LineImageInputs) and lines.height == 32 and lines.name == "crnn"
    assert isinstance(speech, SpeechInputs) and speech.name == "crnn-sound"
    assert speech.preparation == AudioPreparation(rate=8000, seconds=2.5, num_mels=8)
    before = sequence_inputs_for("image")
    assert isinstance(before, LineImageInputs) and before.height % 16 == 0
    assert isinstance(sequence_inputs_for("audio"), SpeechInputs)


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [("image", LineImageInputs(height=48, hidden=7)),
     ("audio", SpeechInputs(preparation=AudioPreparation(rate=8000, seconds=1.0, num_mels=8, mean=-3.0, std=2.0)))],
)  # fmt: skip
def test_inputs_come_back_from_their_json(kind: FieldKind, inputs: LineImageInputs | SpeechInputs) -> None:
    spec = spec_of("transcribe", kind, target="transcript")
    bundle = bundle_of(spec, network_card("crnn"), {"preparation.json": inputs.as_json()})
    assert restore_sequence_inputs(bundle) == inputs
    with pytest.raises(CapasError) as error:
        restore_sequence_inputs(bundle_of(spec, network_card("crnn"), {"preparation.json": {"height": "tall"}}))
    assert (error.value.key, error.value.where) == ("bundle_incomplete", "bundle/preparation.json")
