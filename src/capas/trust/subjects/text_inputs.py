"""Texts as the inputs of a model under test: words as features, typos, attention and probes."""

import string
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from capas.data.text.tfidf import TfIdfVectorizer
from capas.engine.recipes.single_output.hub_backbone.text_encoding import HubTextEncoding
from capas.engine.recipes.single_output.text.encodings import SentenceEmbeddingEncoding
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.trust.attacks.text_tabular_perturbations import CandidatePerturbations, typo_perturbations
from capas.trust.explanations.attention_maps import ATTENTION_METHODS, attention_network, attention_to_words
from capas.trust.explanations.feature_ablation import AblationFeatures, word_features
from capas.trust.explanations.parameter_randomization import with_randomized_parameters
from capas.trust.leakage.class_marks import class_marks
from capas.trust.ood.word_statistics import cross_fitted_word_measures, fit_word_statistics, word_measures
from capas.trust.subjects.input_adapter import InputAdapter

TERMS, MANY, MARKS_SHOWN = 2000, 128, 6


class TextInputAdapter(InputAdapter):
    """``InputAdapter`` of texts; prepared inputs are strings."""

    reader: TextReader

    def __init__(self, reader: TextReader) -> None:
        self.reader = reader
        self.attention_methods = () if attention_network(reader) is None else tuple(ATTENTION_METHODS)

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        """Return words of random letters, and the letters of every word shuffled."""
        change = word_probes(rng)
        return {name: [" ".join(map(one, str(text).split())) for text in prepared] for name, one in change.items()}

    def linear_features(self, prepared: Sequence[object], num_classes: int) -> Float[Tensor, "N D"]:
        """Return tf-idf of single words."""
        texts, least = list(map(str, prepared)), 2 if len(prepared) > MANY else 1
        code = TfIdfVectorizer.fit(texts, longest=1, min_texts=least, max_features=TERMS)
        return code.features(texts).dense(max(1, len(code)))

    def content_probes(
        self, prepared: Sequence[object], train: Sequence[object], labels: Sequence[int]
    ) -> Mapping[str, Sequence[object]]:
        """Return only the words of each text that mark a class; nothing where none does."""
        marks = {word for words in class_marks(list(map(str, train)), labels).values() for word in words}
        shown = ", ".join(sorted(marks)[:MARKS_SHOWN])
        only = [" ".join(word for word in str(text).split() if word in marks) for text in prepared]
        return {f"marks_of_{shown}": only} if marks else {}

    def properties(self, prepared: Sequence[object]) -> Mapping[str, Float[Tensor, " N"]]:
        return {"characters": torch.tensor([float(len(str(text))) for text in prepared])}

    def measures(self, measured: Sequence[object], state: Mapping[str, Tensor]) -> Mapping[str, Float[Tensor, " N"]]:
        return word_measures(list(map(str, measured)), state)

    def fit_measures(
        self, measured: Sequence[object]
    ) -> tuple[Mapping[str, Float[Tensor, " N"]], Mapping[str, Tensor]]:
        texts = list(map(str, measured))
        return cross_fitted_word_measures(texts), fit_word_statistics(texts)

    def ablation_features(self, prepared: object) -> AblationFeatures:
        return word_features(str(prepared))

    def perturbations(self, prepared: object, step: float, rng: torch.Generator) -> CandidatePerturbations:
        return typo_perturbations(str(prepared), rng)

    def attention(self, words: Sequence[str], text: str) -> Mapping[str, Float[Tensor, " P"]]:
        return attention_to_words(self.reader, words, text)

    def randomized(self, rng: torch.Generator) -> "TextInputAdapter":
        """Return the same with random weights everywhere, in the sentence encoder too."""
        code = self.reader.encoding
        if isinstance(code, SentenceEmbeddingEncoding):
            code = SentenceEmbeddingEncoding(with_randomized_parameters(code.encoder, rng).eval(), code.pieces)
        if isinstance(code, HubTextEncoding):
            code = code.with_features(with_randomized_parameters(code.hub.features, rng).eval())
        return TextInputAdapter(TextReader(with_randomized_parameters(self.reader.network, rng).eval(), code))


def word_probes(rng: torch.Generator) -> dict[str, Callable[[str], str]]:
    """Return functions that replace the letters of a word by random ones (``noise``), or shuffle them."""
    numpy_rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
    letters = list(string.ascii_lowercase)
    return {
        "noise": lambda word: "".join(numpy_rng.choice(letters, len(word))),
        "mixed_letters": lambda word: "".join(numpy_rng.permutation(list(word))),
    }
