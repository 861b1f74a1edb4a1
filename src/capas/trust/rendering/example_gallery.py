"""Examples as captioned images: images themselves, and audio as spectrograms."""

from collections.abc import Sequence

from torch import Tensor

from capas.trust.rendering.blocks import CaptionedImage
from capas.trust.subjects.single_output import ModelUnderTest, SplitOutputs


def captioned_examples(
    subject: ModelUnderTest, split_outputs: SplitOutputs, order: Tensor, captions: Sequence[str]
) -> list[CaptionedImage]:
    """Return the examples ``order`` of ``split_outputs`` as images; empty for texts and rows."""
    shown = []
    for i, caption in zip(order.tolist(), captions, strict=True):
        picture = subject.adapter.display_image(split_outputs.prepared[i])
        if picture is not None:
            shown.append(CaptionedImage(image=picture, caption=caption))
    return shown
