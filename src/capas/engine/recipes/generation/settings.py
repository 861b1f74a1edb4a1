"""From which a generative network is built again: what the card of a bundle keeps of it."""

from dataclasses import asdict, dataclass

from capas.core.spec import Spec
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
        context: Numbers of the vector of a text that says what is wanted; 0 for none.
        prediction: What a diffusion network predicts; "" for other networks.
        schedule: By which noise grows in diffusion; "" for other networks.
        path_length: Weight of the path length of a style-based network while it learns; 0 for other networks.
    """

    name: str
    channels: int
    image_size: int
    width: int
    classes: int
    prediction: str = ""
    schedule: str = ""
    context: int = 0
    path_length: float = 0.0

    @staticmethod
    def of(config: Config, spec: Spec, context: int = 0) -> "GeneratorSettings":
        """Return those of a resolved configuration; ``context`` are the numbers of a text's vector."""
        generation = config.generation
        return GeneratorSettings(
            name=config.network.name, channels=int(config.data.channels), image_size=int(config.data.image_size),
            width=int(config.network.width), classes=0 if spec.captioned else len(spec.classes), context=context,
            prediction="" if generation.prediction == "auto" else generation.prediction,
            schedule="" if generation.schedule == "auto" else generation.schedule,
            path_length=0.0 if generation.path_length == "auto" else generation.path_length,
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return (self.channels, self.image_size, self.image_size)

    def as_json(self) -> dict[str, str | int | float]:
        """Return plain values for the card."""
        return asdict(self)
