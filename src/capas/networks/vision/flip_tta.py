"""Test-time augmentation by mirroring: predictions for an image and its mirror image, averaged.

Averaging over transformations that do not change the class is as old as AlexNet (Krizhevsky, Sutskever & Hinton, NIPS
2012, section 4.1: ten patches of which five are mirrored). It costs a second pass. While training nothing is averaged:
there half of the images are mirrored anyway.
"""

from torch import Tensor, nn

from capas.core.spec import OutputKind
from capas.decoding.output_activation import activate_outputs, outputs_of_activated


class FlipTTA(nn.Module):
    """``network`` (B×C×H×W → B×K outputs), in evaluation mode averaged over the image and its mirror image.

    The mean is one of probabilities (each tag's by itself) or numbers; what is returned are the outputs that make it.

    Args:
        network: The network.
        kind: What its outputs are; log-probabilities of classes as logits of tags would never exceed one half.
    """

    def __init__(self, network: nn.Module, kind: OutputKind = "class") -> None:
        super().__init__()
        self.network = network
        self.kind: OutputKind = kind

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the network's outputs while training (a tuple where it returns one), those of the mean in evaluation
        mode.
        """
        outputs: Tensor = self.network(x_BCHW)
        if self.training:
            return outputs
        mirrored: Tensor = self.network(x_BCHW.flip(3))
        mean = (activate_outputs(outputs.float(), self.kind) + activate_outputs(mirrored.float(), self.kind)) / 2
        return outputs_of_activated(mean, self.kind)
