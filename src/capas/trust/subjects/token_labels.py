"""Token classification models, audited through the marginals of their CRF."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from capas.data.collections import ExampleCollection
from capas.engine.recipes.single_output.feature_hooks import LastLinearHook
from capas.engine.recipes.token_classification.data import sentences_of
from capas.engine.recipes.token_classification.predictor import TokenClassificationPredictor
from capas.networks.sequence.bilstm_crf import SequenceLabeller, step_mask
from capas.trust.subjects.structured import (
    CalibrationSamples,
    ExampleEvaluation,
    LabelIssue,
    OODFeatureExtractor,
    OODFeatures,
    StructuredAdapter,
)
from capas.trust.subjects.text_inputs import word_probes

WordSequence = Sequence[str]


class TokenLabelFeatureExtractor(OODFeatureExtractor):
    """``OODFeatureExtractor`` of token classification models."""

    def __init__(self, model: TokenClassificationPredictor) -> None:
        assert isinstance(model.network, SequenceLabeller)
        self.model, self.network = model, model.network

    def emissions(self, words: WordSequence) -> tuple[Tensor, Tensor]:
        """Return the CRF's emission scores (1, T, K), and the number of words (1)."""
        given = self.model.code.encode([words])
        return self.network(given.words, given.characters, given.lengths, given.features), given.lengths

    @torch.no_grad()
    def ood_features(self, prepared: object) -> OODFeatures:
        """Return as ``features`` the mean over the words of the LSTM's outputs."""
        words = [word for sentence in _texts(prepared) for word in sentence]
        with LastLinearHook(self.model.network) as last:
            parts = []
            for start in range(0, len(words), self.model.longest):
                part = words[start : start + self.model.longest]
                self.emissions(part)
                parts.append(last.features() * len(part))
        return OODFeatures(features=torch.stack(parts).sum(0) / len(words), views=None)

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        texts, changes = [_texts(one) for one in prepared], word_probes(rng).items()
        return {
            name: [tuple(tuple(map(change, words)) for words in text) for text in texts] for name, change in changes
        }


class TokenLabelAdapter(StructuredAdapter):
    """``StructuredAdapter`` of token labels."""

    kind = "words"
    max_examples = 2000
    statements = "trust.many.statements_words"
    no_attacks = "trust.many.no_attack_words"
    no_explanations = "trust.many.no_zones_words"
    feature_extractor: TokenLabelFeatureExtractor

    def __init__(
        self, model: TokenClassificationPredictor, sentences: ExampleCollection, labels: ExampleCollection | None
    ) -> None:
        self.model = model
        self.feature_extractor = TokenLabelFeatureExtractor(model)
        self.sentences, self.labels = sentences_of(sentences), sentences_of(labels)

    def prepared(self, index: int) -> tuple[WordSequence, ...]:
        return (tuple(self.sentences[index]),)

    @torch.no_grad()
    def marginals(self, words: WordSequence) -> tuple[Float[Tensor, "T K"], list[int]]:
        """Return P(label | sentence) of every word, and the most probable label sequence.

        A long sentence is split as the model does.
        """
        crf, longest = self.feature_extractor.network.crf, self.model.longest
        parts, path = [], list[int]()
        for start in range(0, len(words), longest):
            emissions, lengths = self.feature_extractor.emissions(words[start : start + longest])
            mask = step_mask(lengths, emissions.shape[1])
            parts.append(crf.marginals(emissions.float(), mask)[0])
            path += crf.viterbi_decode(emissions.float(), mask)[0][0]
        return torch.cat(parts), path

    def evaluate_example(self, index: int, position: int, rng: torch.Generator) -> ExampleEvaluation:
        words, names = self.sentences[index], self.model.labels.labels
        given = self.model.labels.to_scheme(self.labels[index])
        p, path = self.marginals(words)
        numbers = {name: number for number, name in enumerate(names)}
        true = torch.tensor([names[predicted] == label for predicted, label in zip(path, given, strict=True)])
        statements = CalibrationSamples(confidence=p[torch.arange(len(path)), torch.tensor(path)], correct=true)
        doubts = [
            LabelIssue(
                position=position,
                location=_in_context(words, place),
                given_label=label,
                predicted_label=names[predicted],
                given_label_probability=float(p[place, numbers[label]]) if label in numbers else 0.0,
            )
            for place, (label, predicted) in enumerate(zip(given, path, strict=True))
        ]
        return ExampleEvaluation(calibration_samples=statements, label_issues=tuple(doubts))


def _texts(prepared: object) -> tuple[WordSequence, ...]:
    assert isinstance(prepared, tuple)
    return prepared


def _in_context(words: WordSequence, place: int) -> str:
    """The word between its neighbours: "… vive en [Lima] con Ana …"."""
    before, after = " ".join(words[max(0, place - 3) : place]), " ".join(words[place + 1 : place + 4])
    return f"{before} [{words[place]}] {after}".strip()
