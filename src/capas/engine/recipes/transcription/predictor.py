"""Inference and evaluation of line and speech recognisers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.bundle.export_wrappers import LogProbabilityOutput
from capas.data.inspect.report import DatasetReport
from capas.decoding.alphabet import Alphabet
from capas.decoding.transcripts import CTCDecoder
from capas.engine.execution import Execution
from capas.engine.recipe import Item, Prediction, TestResult
from capas.engine.recipes.shared.timed_text import to_srt, with_output_files
from capas.engine.recipes.transcription.data import normalised_transcripts
from capas.engine.recipes.transcription.defaults import BATCH
from capas.engine.recipes.transcription.evaluate import evaluate_transcripts
from capas.engine.recipes.transcription.input_protocol import SequenceInputs
from capas.engine.recipes.transcription.network import PaddedInputAdapter, forward_sequences
from capas.engine.recipes.transcription.word_times import subtitle_lines, word_timings
from capas.networks.document.crnn import STEPS_PER_FRAME
from capas.page_formats.normalise import KEPT, NormalisationRules, load_rules


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedSequence:
    """One preprocessed example: a line image (H, W), or the samples of a waveform."""

    values: Tensor


class TranscriptionPredictor:
    """A trained line or speech recogniser (``Predictor``).

    Args:
        network: Returns logits (B, T, K) and frames (B).
        inputs: Preprocessing of line images or speech.
        decoder: Turns logits into text.
        temperature: Divisor of the logits.
        rules: Normalisation rules of the training transcripts; None where they were kept as they are.
    """

    def __init__(
        self, network: nn.Module, inputs: SequenceInputs, decoder: CTCDecoder, temperature: float = 1.0,
        rules: NormalisationRules | None = None,
    ) -> None:  # fmt: skip
        self._network = network
        self.temperature = temperature
        self.decoder = decoder
        self.inputs = inputs
        self.rules = rules or load_rules(KEPT)

    @property
    def alphabet(self) -> Alphabet:
        return self.decoder.alphabet

    @property
    def network(self) -> nn.Module:
        return self._network

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return self.inputs.items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return self.inputs.item(content, number)

    def preprocess(self, item: Item) -> object:
        return PreparedSequence(values=self.inputs.preprocess(item))

    def logits(self, examples: Sequence[Tensor]) -> list[Tensor]:
        """Return the logits (T, K) of each example, float32."""
        device = next(self._network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        starts = [*range(0, len(examples), BATCH), len(examples)]
        return [
            logits
            for start, end in pairwise(starts)
            for logits in forward_sequences(self._network, self.inputs.collate(list(examples[start:end])), execution)
        ]

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        found = self.logits([held.values for held in prepared if isinstance(held, PreparedSequence)])
        return [self._prediction(name, logits) for name, logits in zip(names, found, strict=True)]

    def _prediction(self, name: str, logits: Tensor) -> Prediction:
        """The transcript of one example; for speech with word times and subtitles."""
        one = self.decoder.decode(logits / self.temperature)
        answer = Prediction(
            input=name, prediction=one.text, text=one.text, probability=one.probability,
            facts={"probability": round(one.probability, 6),
                   "character_probabilities": [round(p, 4) for p in one.probabilities]},
        )  # fmt: skip
        audio = self.inputs.audio
        if audio is None:
            return answer
        mel = audio.mel
        words = word_timings(logits, self.alphabet, STEPS_PER_FRAME * mel.hop / mel.sample_rate)
        facts = {**answer.facts, "word_times": [word.as_json("text") for word in words]}
        return with_output_files(replace(answer, facts=facts), {".srt": to_srt(subtitle_lines(words))})

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        texts = normalised_transcripts(report.source.targets, self.rules)
        found = [self.logits([self.inputs.preprocess_example(report.inputs, i)])[0] for i in indices]
        transcripts = [self.decoder.decode(logits / self.temperature) for logits in found]
        return evaluate_transcripts([report.inputs.name(i) for i in indices], [texts[i] for i in indices], transcripts)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self._network, PaddedInputAdapter)
        export_input, log_mel = self.inputs.export_inputs()
        examples = [held.values[None] for held in prepared if isinstance(held, PreparedSequence)] or [
            export_input.example
        ]
        description = (
            "natural logarithms, of every frame; take the best label of each, merge repeats, drop label 0 (CTC)"
        )
        return Exportable(
            network=LogProbabilityOutput(self._network.network, log_mel), inputs=[export_input],
            output="log_probabilities", axes=(1, "frames", self.alphabet.num_labels),
            compared=[(one,) for one in examples], count=len(examples),
            facts={"alphabet": self.alphabet.characters, "log_probabilities": description,
                   "labels": "label k is the k-th character of the alphabet", "preparation": self.inputs.as_json()},
        )  # fmt: skip
