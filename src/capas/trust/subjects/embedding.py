"""Encoders that learnt without labels: they answer nothing, but an input can be unlike what they learnt from."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from capas.data.collections import ExampleCollection
from capas.engine.recipes.embedding.document_reader import DocumentReader
from capas.engine.recipes.embedding.predictor import EmbeddingPredictor
from capas.trust.ood.image_probes import IMAGE_PROBES
from capas.trust.ood.waveform_probes import waveform_probes
from capas.trust.subjects.audio_inputs import waveform_of
from capas.trust.subjects.image_inputs import image_to_array
from capas.trust.subjects.structured import OODFeatureExtractor, OODFeatures, StructuredAdapter
from capas.trust.subjects.text_inputs import word_probes

SIDE: Final = 64  # at which pictures are redrawn


class EmbeddingFeatureExtractor(OODFeatureExtractor):
    """``OODFeatureExtractor`` of encoders: the vector itself, and of images a small copy."""

    def __init__(self, model: EmbeddingPredictor) -> None:
        self.model = model

    def ood_features(self, prepared: object) -> OODFeatures:
        vector = self.model.embed([prepared])[0]
        if not isinstance(prepared, Tensor):
            return OODFeatures(features=vector, views=None)
        small = functional.interpolate(
            prepared[None].float() / 255, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
        )
        return OODFeatures(features=vector, views=small.clamp(0, 1))

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        if isinstance(self.model.reader, DocumentReader):
            return document_probes(list(map(str, prepared)), self.model.reader.counter.words, rng)
        if self.model.spec.medium == "image":
            images = [one for one in prepared if isinstance(one, Tensor)]
            return {
                name: [(probe(one[None].float() / 255, rng)[0] * 255).round().to(torch.uint8) for one in images]
                for name, probe in IMAGE_PROBES.items()
            }
        return waveform_probes(list(map(waveform_of, prepared)), rng)

    def display_image(self, prepared: object) -> NDArray[np.uint8] | None:
        return image_to_array(prepared.float() / 255) if isinstance(prepared, Tensor) else None


def document_probes(texts: Sequence[str], vocabulary: Sequence[str], rng: torch.Generator) -> dict[str, list[str]]:
    """Return words of random letters, and words of the vocabulary drawn at random, as many as each text has."""
    letters = word_probes(rng)["noise"]
    lengths = [len(text.split()) for text in texts]
    drawn = [torch.randint(len(vocabulary), (length,), generator=rng).tolist() for length in lengths]
    return {
        "noise": [" ".join(map(letters, text.split())) for text in texts],
        "random_words": [" ".join(vocabulary[i] for i in chosen) for chosen in drawn],
    }


class EmbeddingAdapter(StructuredAdapter):
    """``StructuredAdapter`` of encoders."""

    kind = "embeddings"
    max_examples = 1000
    no_attacks = "trust.many.no_attack_embeddings"
    no_explanations = "trust.many.no_zones_embeddings"

    def __init__(
        self, model: EmbeddingPredictor, inputs: ExampleCollection, targets: ExampleCollection | None = None
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.feature_extractor = EmbeddingFeatureExtractor(model)

    def prepared(self, index: int) -> object:
        return self.model.reader.preprocess_example(self.inputs, index)
