"""From which the translators are built again: what the card of a bundle keeps of them."""

from dataclasses import asdict, dataclass, replace
from typing import Final

from torch import nn

from capas.engine.config import Config
from capas.networks.generative.cyclegan import (
    CycleGANConfig,
    PatchDiscriminator,
    Translator,
    config_for_side,
    cyclegan_side,
)
from capas.objectives.generative.cycle_consistency import A_TO_B, B_TO_A, CycleConsistency, CycleSettings

NETWORK: Final = "cyclegan"


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslatorSettings:
    """Both translators, which are alike.

    Attributes:
        channels: 1 or 3.
        image_size: Pixels a side.
        width: Channels of the layers next to the image.
        blocks: Residual blocks.
    """

    channels: int
    image_size: int
    width: int
    blocks: int

    def __post_init__(self) -> None:
        if self.image_size != cyclegan_side(self.image_size):
            raise ValueError(f"image_size is {self.image_size}; expected 16 or more, a multiple of four")

    @staticmethod
    def of(config: Config) -> "TranslatorSettings":
        """Return those of a resolved configuration."""
        return TranslatorSettings(
            channels=int(config.data.channels), image_size=int(config.data.image_size),
            width=int(config.network.width), blocks=int(config.transform.blocks),
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return (self.channels, self.image_size, self.image_size)

    @property
    def config(self) -> CycleGANConfig:
        """That of the networks."""
        return replace(config_for_side(self.image_size, self.channels, self.width), blocks=self.blocks)

    def translators(self) -> nn.ModuleDict:
        """Build both translators, to be filled with weights."""
        return nn.ModuleDict({A_TO_B: Translator(self.config), B_TO_A: Translator(self.config)})

    def objective(self, config: Config) -> CycleConsistency:
        """Build all four networks, with weights drawn from the global generator, and their objective."""
        translators = self.translators()
        transform = config.transform
        return CycleConsistency(
            translators[A_TO_B], translators[B_TO_A], PatchDiscriminator(self.config), PatchDiscriminator(self.config),
            CycleSettings(
                cycle=transform.cycle, identity=transform.identity, pool=transform.pool,
                learning_rate=float(config.optim.learning_rate),
            ),
        )  # fmt: skip

    def as_json(self) -> dict[str, int]:
        """Return plain values for the card."""
        return asdict(self)
