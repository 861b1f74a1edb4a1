"""Cross-validated class probabilities of the training examples, from a quick model of each medium."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from capas.trust.label_quality.out_of_sample import cross_validate, out_of_sample_probabilities
from capas.trust.label_quality.small_cnn import fit_predict_small_cnn, standardized_images
from capas.trust.subjects.image_inputs import images_to_unit_range
from capas.trust.subjects.single_output import ModelUnderTest

FOLDS = 4
QUICK_SIDE, QUICK_NETWORK = 14, 1000  # pixels; images that a network learns in a few seconds
Progress = Callable[[int, int], None]


def cross_validated_probabilities(
    subject: ModelUnderTest,
    labels: Int[Tensor, " N"],
    rng: torch.Generator,
    progress: Progress,
    *,
    quick: bool = False,
) -> Float[Tensor, "N K"]:
    """Return the class probabilities of each training example from models that were not trained on it.

    Images: a small CNN, or logistic regression on pretrained embeddings where the model started from them. Texts, audio
    and rows: logistic regression on words, on mel bands over eight time segments, and on encoded cells. ``quick`` takes
    a support vector machine for more than 1,000 images: it is weaker than a network, and takes seconds.
    """
    k, prepared = len(subject.run_context.classes), subject.train.prepared
    if subject.adapter.images is None or subject.run_context.config.network.pretrained is True:
        return out_of_sample_probabilities(subject.adapter.linear_features(prepared, k), labels, k, rng)
    if quick and len(prepared) > QUICK_NETWORK:
        small = [adaptive_avg_pool2d(images_to_unit_range([one]), QUICK_SIDE).flatten(1) for one in prepared]
        x = torch.cat(small)
        return cross_validate(
            len(labels), k, rng, lambda learn, held: _by_margins(x, labels, k, learn, held), folds=FOLDS
        )
    images, done = standardized_images(images_to_unit_range(prepared)), 0

    def answer(learn: Tensor, held: Tensor) -> Tensor:
        nonlocal done
        progress(done := done + 1, FOLDS)
        return fit_predict_small_cnn(images, labels, k, learn, held, rng)

    return cross_validate(len(labels), k, rng, answer, folds=FOLDS)


def _by_margins(x: Float[Tensor, "N D"], labels: Int[Tensor, " N"], k: int, learn: Tensor, held: Tensor) -> Tensor:
    """Softmax of the margins, each class against the rest, of a support vector machine; (H, k)."""
    from sklearn.svm import SVC

    known = torch.tensor(sorted(set(labels[learn].tolist())))
    if len(known) < 2:
        return torch.nn.functional.one_hot(known.expand(len(held)), k).float()
    machine = SVC(C=1.0).fit(x[learn].numpy(), labels[learn].numpy())
    margins = torch.from_numpy(machine.decision_function(x[held].numpy())).float()
    if len(known) == 2:
        margins = torch.stack([-margins, margins], 1)
    found = torch.full((len(held), k), -10.0)
    found[:, known] = 2.0 * margins
    return found.softmax(1)
