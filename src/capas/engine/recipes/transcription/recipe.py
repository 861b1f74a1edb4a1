"""The recipe for transcription of line images and speech by CTC, evaluated by character and by word."""

from typing import Final

import torch
from pydantic import ValidationError

from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS
from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.batch import Batch
from capas.data.inspect.report import DatasetReport
from capas.decoding.alphabet import Alphabet
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.shared.temperature import TEMPERATURE_ADAPTER
from capas.engine.recipes.transcription.decoder_selection import (
    restore_decoder,
)
from capas.engine.recipes.transcription.defaults import resolve_defaults
from capas.engine.recipes.transcription.input_protocol import PaddedSequences
from capas.engine.recipes.transcription.inputs import restore_sequence_inputs, sequence_inputs_for
from capas.engine.recipes.transcription.learn import TranscriptionJob
from capas.engine.recipes.transcription.network import PaddedInputAdapter, build_network
from capas.engine.recipes.transcription.predictor import TranscriptionPredictor
from capas.objectives.transcription import Transcription
from capas.page_formats.normalise import KEPT, NormalisationRules

TRIAL_LABELS: Final = 60  # when only the time is estimated


class TranscriptionRecipe:
    """The recipe for transcription (``Recipe``)."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> TranscriptionJob:
        return TranscriptionJob(work, sequence_inputs_for(work.spec.medium, work.config), ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[Batch[PaddedSequences]]:
        inputs = sequence_inputs_for(report.detection.spec.medium, config)
        count = min(int(config.train.batch_size), max(1, report.split.count("train")))
        lines = inputs.collate([inputs.random_example(report, seeded_generator(0, "trial", i)) for i in range(count)])
        labels = torch.randint(1, TRIAL_LABELS, (count, 1), generator=seeded_generator(0, "trial"))
        batch = Batch(inputs=lines, targets=labels, positions=torch.arange(count))
        objective = Transcription(build_network(config, inputs, TRIAL_LABELS))
        return TrialBatch(objective=objective, batch=batch, examples=count)

    def reopen(self, bundle: Bundle) -> TranscriptionPredictor:
        inputs = restore_sequence_inputs(bundle)
        answers = bundle.file(ANSWERS)
        alphabet = Alphabet(characters=str(answers.get("alphabet", "")))
        decoder = restore_decoder(bundle, alphabet)
        try:
            temperature = TEMPERATURE_ADAPTER.validate_python(answers.get("temperature", 1.0))
            rules = NormalisationRules.model_validate(answers.get("transcripts", {"name": KEPT}))
        except ValidationError as error:
            received = str(error.errors()[0]["msg"])
            raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=received) from error
        settings = bundle.card.network.settings
        if settings.get("num_labels") != alphabet.num_labels:
            received = f"{alphabet.num_labels} ≠ {settings.get('num_labels')}"
            raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=received)
        width, hidden = (int(settings.get(name) or 0) for name in ("width", "hidden"))
        network = PaddedInputAdapter(inputs.network(alphabet.num_labels, width, hidden))
        bundle.fill(network)
        return TranscriptionPredictor(network, inputs, decoder, temperature, rules)


recipe = TranscriptionRecipe()
