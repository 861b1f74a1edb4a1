"""Cross-validated class probabilities of the training examples, from a quick model of each medium."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from capas.data.tabular.preprocess import EncodedRows, one_hot_columns
from capas.data.text.tfidf import TfIdfVectorizer
from capas.engine.recipes.shared.spectrograms import spectrograms_of
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.networks.vision.efficientnet_weights import pretrained_lite0
from capas.trust.label_quality.out_of_sample import cross_validate, out_of_sample_probabilities
from capas.trust.label_quality.small_cnn import fit_predict_small_cnn, standardized_images
from capas.trust.subjects.feature_hooks import BATCH, forward_with_features
from capas.trust.subjects.image_inputs import images_to_unit_range
from capas.trust.subjects.single_output import ModelUnderTest

TERMS = 2000
FOLDS = 4
Progress = Callable[[int, int], None]
TIME_SEGMENTS = 8


def cross_validated_probabilities(
    subject: ModelUnderTest, labels: Int[Tensor, " N"], rng: torch.Generator, progress: Progress
) -> Float[Tensor, "N K"]:
    """Return the class probabilities of each training example from models that were not trained on it.

    Images: a small CNN, or logistic regression on pretrained embeddings where the model started from them. Texts, audio
    and rows: logistic regression on words, on mel bands over eight time segments, and on encoded cells.
    """
    reader, k = subject.reader, len(subject.run_context.classes)
    if isinstance(reader, ImageReader) and subject.run_context.config.network.pretrained is not True:
        pictures = standardized_images(images_to_unit_range(subject.train.prepared))
        done = 0

        def answer(learn: Tensor, held: Tensor) -> Tensor:
            nonlocal done
            progress(done := done + 1, FOLDS)
            return fit_predict_small_cnn(pictures, labels, k, learn, held, rng)

        return cross_validate(len(labels), k, rng, answer, folds=FOLDS)
    return out_of_sample_probabilities(_features(subject), labels, k, rng)


def _features(subject: ModelUnderTest) -> Float[Tensor, "N D"]:
    reader, prepared = subject.reader, subject.train.prepared
    if isinstance(reader, ImageReader):
        network = pretrained_lite0(num_classes=len(subject.run_context.classes), stochastic_depth=0.0)
        return forward_with_features(ImageReader(network.eval(), reader.preparation), prepared).features
    if isinstance(reader, TextReader):
        return _words(cast(Sequence[str], prepared))
    if isinstance(reader, AudioReader):
        return torch.cat([_bands(reader, wave) for wave in cast(Sequence[NDArray[np.float32]], prepared)])
    assert isinstance(reader, TabularReader)
    return one_hot_columns(reader.collate(cast(Sequence[EncodedRows], prepared)), reader.preparation)


def _words(texts: Sequence[str]) -> Float[Tensor, "N D"]:
    code = TfIdfVectorizer.fit(texts, longest=1, min_texts=2 if len(texts) > BATCH else 1, max_features=TERMS)
    return code.features(texts).dense(max(1, len(code)))


def _bands(reader: AudioReader, wave: NDArray[np.float32]) -> Float[Tensor, "1 D"]:
    values = spectrograms_of([wave], reader.preparation).values
    return torch.nn.functional.adaptive_avg_pool1d(values, TIME_SEGMENTS).flatten(1)
