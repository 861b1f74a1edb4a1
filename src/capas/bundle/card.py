"""The card: what a bundle says of itself, typed and checked when read."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from capas.core.errors import CapasError
from capas.core.files import write_json
from capas.core.i18n import say
from capas.core.spec import Spec

FORMAT = "capas-bundle"
VERSION = 1


class CardSection(BaseModel):
    """A part of the card: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkCard(CardSection):
    """Which network, with the ``settings`` it is built again from."""

    name: str
    settings: dict[str, int | float | bool | str | None]
    parameters: int
    paper: str


class WeightsCard(CardSection):
    """Which weights: BLAKE2b-128 of the file, its size, and what they started from ("" for random numbers)."""

    hash: str
    bytes: int
    started_from: str


class SplitCard(CardSection):
    """How many examples, and a hash of their contents and classes."""

    count: int
    hash: str


class FieldCard(CardSection):
    """A field of an example."""

    name: str
    kind: str
    unit: str


class MetricCard(BaseModel):
    """A figure as every ``--json`` gives it: a rate, or a measure with its unit."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    value: float
    n: int
    interval: tuple[float, float]
    unit: str = ""


class DataCard(CardSection):
    """Which data."""

    source: str
    splits: dict[str, SplitCard]


class MethodCard(CardSection):
    """How a student was taught: ``labelled`` training examples, and ``learnt`` of the ``pictures`` unlabelled ones of
    ``source``, as its teacher answered for them; ``teacher`` are the teacher's figures on the same test split,
    ``first_teacher`` those of who learnt from labels alone. The counts are those of ``unlabelled.json``: see
    ``capas.engine.methods.pseudo_labels``."""

    name: str
    iterations: int
    threshold: float
    noise: bool
    labelled: int
    source: str
    pictures: int
    learnt: int
    unreadable: int
    in_test: int
    labelled_already: int
    repeated: int
    near_searched: bool
    unsure: int
    crowded: int
    per_class: dict[str, int]
    teacher: dict[str, object]
    first_teacher: dict[str, object]


class ProvenanceCard(CardSection):
    """Who made it, how and when."""

    capas: str
    torch: str
    processor: str
    created: str
    seed: int
    seconds: float
    steps: int
    device: str
    precision: str
    memory_format: str
    threads: int


_SPEC: TypeAdapter[Spec] = TypeAdapter(Spec)


class Card(CardSection):
    """All of it. ``metrics``, ``baseline`` and ``per_class`` have the form of ``capas test --json``."""

    format: str = FORMAT
    version: int = VERSION
    name: str
    task: str
    medium: str
    inputs: list[FieldCard]
    targets: list[FieldCard]
    classes: list[str]
    network: NetworkCard
    weights: WeightsCard
    data: DataCard
    method: MethodCard | None = None
    metrics: dict[str, object]
    baseline: dict[str, object]
    per_class: dict[str, object]
    limits: list[str]
    provenance: ProvenanceCard

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Card":
        outputs = self.network.settings.get("num_classes")
        if self.task in ("classify", "tag") and outputs is not None and len(self.classes) != outputs:
            raise ValueError(f"{len(self.classes)} classes, but num_classes is {outputs}")
        MetricCard.model_validate(next(iter(self.metrics.values()), None))
        assert self.spec
        return self

    @property
    def spec(self) -> Spec:
        """The learning problem. Raises ValidationError on a kind of field or task that there is not."""
        spec: Spec = _SPEC.validate_python(
            {
                "inputs": [f.model_dump() for f in self.inputs],
                "target": self.targets[0].model_dump(),
                "further_targets": [f.model_dump() for f in self.targets[1:]],
                "task": self.task,
                "classes": self.classes,
            }
        )
        return spec

    @property
    def headline(self) -> tuple[str, MetricCard]:
        """The name of the figure that counts, and the figure on the test split."""
        name = next(iter(self.metrics))
        return name, MetricCard.model_validate(self.metrics[name])


def write_card(path: Path, card: Card) -> None:
    """``card`` as JSON; how it was taught only where it was by a teacher."""
    write_json(path, card.model_dump(exclude={"method"} if card.method is None else None))


def read_card(path: Path) -> Card:
    """The card at ``path``. Raises CapasError ``card_unreadable`` that says which key is wrong."""
    try:
        card = Card.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ": ".join(filter(None, [str(path), ".".join(map(str, first["loc"]))]))
        raise CapasError("card_unreadable", where=where, received=str(first["msg"])) from error
    except OSError as error:
        raise CapasError("card_unreadable", where=path, received=error.strerror or str(error)) from error
    if card.format != FORMAT or card.version > VERSION:
        raise CapasError("card_version", where=path, received=f"{card.format} {card.version}", known=VERSION)
    return card


def limitations(card_data: DataCard, n_test: int, smallest: tuple[str, int] | None, *, grey: bool) -> list[str]:
    """What the figures do not tell, in sentences for the card's reader."""
    sentences = [say("card.limit_same_source"), say("card.limit_always_answers")]
    if n_test < 200:
        sentences.append(say("card.limit_small_test", n=n_test))
    if smallest is not None and smallest[1] < 50:
        sentences.append(say("card.limit_small_class", name=smallest[0], n=smallest[1]))
    if grey:
        sentences.append(say("card.limit_grey"))
    if smallest is not None:
        sentences.append(say("card.limit_probabilities"))
    return sentences
