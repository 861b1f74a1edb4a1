"""Test-time augmentation by mirroring: predictions for an image and its mirror image, averaged.

Averaging over transformations that do not change the class is as old as AlexNet (Krizhevsky, Sutskever & Hinton, NIPS
2012, section 4.1: ten patches of which five are mirrored). It costs a second pass. While training nothing is averaged:
there half of the images are mirrored anyway.
"""

import torch
from torch import Tensor, nn


class FlipTTA(nn.Module):
    """``network`` (B×C×H×W → B×K logits), in evaluation mode averaged over the image and its mirror image.

    The mean is one of probabilities, so the output is their logarithm (B×K, ≤ 0): its softmax is the mean itself.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits while training (a tuple where the network returns one), log-probabilities in evaluation
        mode.
        """
        logits: Tensor = self.network(x_BCHW)
        if self.training:
            return logits
        mirrored: Tensor = self.network(x_BCHW.flip(3))
        both = torch.stack([logits.float().log_softmax(1), mirrored.float().log_softmax(1)])
        return both.logsumexp(0) - torch.log(torch.tensor(2.0, device=both.device))
