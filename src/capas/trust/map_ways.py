"""The ways of making maps that every report tries, and the network with random weights that they are checked by."""

import torch
from torch import Tensor

from capas.engine.recipes.pictures import PictureReader
from capas.trust.adversarial import Forward
from capas.trust.pixels import Pixels
from capas.trust.saliency import grad_cam, gradient, integrated_gradients, occlusion
from capas.trust.saliency_checks import MapOf, with_random_weights
from capas.trust.subject import Subject


def maps_by_name(background: Tensor, steps: int) -> dict[str, MapOf]:
    """The methods that are tried."""

    def integrated(forward: Forward, x: Tensor, classes: Tensor) -> Tensor:
        return integrated_gradients(forward, x, classes, baseline=background, steps=steps)

    def covered(forward: Forward, x: Tensor, classes: Tensor) -> Tensor:
        return occlusion(forward, x, classes, fill=background)

    return {"integrated_gradients": integrated, "occlusion": covered, "gradient": gradient}


def class_activation(forward: Forward, x: Tensor, classes: Tensor) -> Tensor:
    """Grad-CAM on the last map of 4×4 or more."""
    assert isinstance(forward, Pixels)
    return grad_cam(forward.with_map, x, classes)


def randomised(subject: Subject, rng: torch.Generator) -> Forward:
    """The model with random weights."""
    reader = subject.reader
    assert isinstance(reader, PictureReader)
    return Pixels(PictureReader(with_random_weights(reader.network, rng).eval(), reader.preparation))
