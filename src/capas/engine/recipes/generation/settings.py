"""From which a generative network is built again: what the card of a bundle keeps of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from capas.engine.config import Config


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorSettings:
    """A generative network of images.

    Attributes:
        name: Its name in the catalogue.
        channels: 1 or 3.
        image_size: Pixels a side.
        width: Channels or units of its narrowest layer.
        classes: Classes to choose from; 0 for none.
        prediction: What a diffusion network predicts; "" for other networks.
        schedule: By which noise grows in diffusion; "" for other networks.
    """

    name: str
    channels: int
    image_size: int
    width: int
    classes: int
    prediction: str = ""
    schedule: str = ""

    @staticmethod
    def of(config: Config, classes: Sequence[str]) -> "GeneratorSettings":
        """Return those of a resolved configuration."""
        generation = config.generation
        return GeneratorSettings(
            name=config.network.name, channels=int(config.data.channels), image_size=int(config.data.image_size),
            width=int(config.network.width), classes=len(classes),
            prediction="" if generation.prediction == "auto" else generation.prediction,
            schedule="" if generation.schedule == "auto" else generation.schedule,
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return (self.channels, self.image_size, self.image_size)

    def as_json(self) -> dict[str, str | int]:
        """Return plain values for the card."""
        return asdict(self)
