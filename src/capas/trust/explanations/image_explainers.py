"""The saliency methods that every report tries on images."""

from torch import Tensor

from capas.trust.explanations.parameter_randomization import SaliencyFunction
from capas.trust.explanations.saliency import grad_cam, gradient, integrated_gradients, occlusion
from capas.trust.subjects.image_inputs import UnitRangeImageModel
from capas.trust.subjects.model_functions import ForwardFunction


def saliency_functions(baseline: Tensor, steps: int) -> dict[str, SaliencyFunction]:
    """Return the saliency methods by name."""

    def integrated(forward: ForwardFunction, x: Tensor, classes: Tensor) -> Tensor:
        return integrated_gradients(forward, x, classes, baseline=baseline, steps=steps)

    def covered(forward: ForwardFunction, x: Tensor, classes: Tensor) -> Tensor:
        return occlusion(forward, x, classes, fill=baseline)

    return {"integrated_gradients": integrated, "occlusion": covered, "gradient": gradient}


def grad_cam_map(forward: ForwardFunction, x: Tensor, classes: Tensor) -> Tensor:
    """Return Grad-CAM on the last feature map of 4×4 or more."""
    assert isinstance(forward, UnitRangeImageModel)
    return grad_cam(forward.feature_map_and_logits, x, classes)
