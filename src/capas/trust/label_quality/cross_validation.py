"""Cross-validated class probabilities of the training examples, from a quick model of each medium."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.trust.label_quality.out_of_sample import cross_validate, out_of_sample_probabilities
from capas.trust.label_quality.small_cnn import fit_predict_small_cnn, standardized_images
from capas.trust.subjects.image_inputs import images_to_unit_range
from capas.trust.subjects.single_output import ModelUnderTest

FOLDS = 4
Progress = Callable[[int, int], None]


def cross_validated_probabilities(
    subject: ModelUnderTest, labels: Int[Tensor, " N"], rng: torch.Generator, progress: Progress
) -> Float[Tensor, "N K"]:
    """Return the class probabilities of each training example from models that were not trained on it.

    Images: a small CNN, or logistic regression on pretrained embeddings where the model started from them. Texts, audio
    and rows: logistic regression on words, on mel bands over eight time segments, and on encoded cells.
    """
    k, prepared = len(subject.run_context.classes), subject.train.prepared
    if subject.adapter.images is None or subject.run_context.config.network.pretrained is True:
        return out_of_sample_probabilities(subject.adapter.linear_features(prepared, k), labels, k, rng)
    images, done = standardized_images(images_to_unit_range(prepared)), 0

    def answer(learn: Tensor, held: Tensor) -> Tensor:
        nonlocal done
        progress(done := done + 1, FOLDS)
        return fit_predict_small_cnn(images, labels, k, learn, held, rng)

    return cross_validate(len(labels), k, rng, answer, folds=FOLDS)
