"""The model card: what a bundle says about its model, typed and validated when read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from capas.core.errors import CapasError
from capas.core.files import content_hash, read_regular, write_json
from capas.core.i18n import say
from capas.core.parsing import parse_json
from capas.core.spec import Spec

FORMAT = "capas-bundle"
VERSION = 3
MAX_BYTES: Final = 64_000_000


class CardSection(BaseModel):
    """A section of the card: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnCard(CardSection):
    """A column of a table beside the files, as the training split has it.

    Attributes:
        name: Its name.
        kind: How it is encoded.
        low: Least number or first day (ISO 8601); None where there is none.
        high: Greatest number or last day.
        values: Categories, the commonest first.
    """

    name: str
    kind: Literal["number", "date", "category"]
    low: float | str | None = None
    high: float | str | None = None
    values: list[str] = Field([], max_length=1000)


class NetworkCard(CardSection):
    """The network.

    Attributes:
        name: Name in the catalogue.
        settings: Arguments to build it again.
        parameters: Number of trainable parameters.
        paper: Citation.
        columns: Columns of a table that it takes beside its files.
    """

    name: str
    settings: dict[str, int | float | bool | str | None]
    parameters: int
    paper: str
    columns: list[ColumnCard] = []


class WeightsCard(CardSection):
    """The weights.

    Attributes:
        hash: BLAKE2b-128 of the file.
        bytes: Size of the file.
        started_from: Pretrained weights that training started from, "" for random initialisation.
    """

    hash: str
    bytes: int
    started_from: str


class SplitCard(CardSection):
    """A split: number of examples, and a hash of their contents and labels."""

    count: int
    hash: str


class FieldCard(CardSection):
    """A field of an example: its name, kind and unit."""

    name: str
    kind: str
    unit: str


class MetricCard(BaseModel):
    """A metric as every ``--json`` writes it: value, number of examples, interval, and the unit of what is no rate."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    value: float
    n: int
    interval: tuple[float, float] | None = None
    unit: str = ""


class DataCard(CardSection):
    """The training data: its source and its splits by name."""

    source: str
    splits: dict[str, SplitCard]


class MethodCard(CardSection):
    """Training with pseudo-labels; the counts are those of ``PseudoLabelSummary`` in
    ``capas.engine.methods.pseudo_labels``.

    Attributes:
        name: The method.
        iterations: Number of students.
        threshold: Least probability of a pseudo-label.
        noise: Whether the student's images were augmented.
        labelled: Labelled training examples.
        source: Source of the unlabelled images.
        pictures: Unlabelled images.
        learnt: Pseudo-labelled images that were trained on.
        unreadable: Images that could not be decoded.
        in_test: Duplicates of test or validation images.
        labelled_already: Duplicates of labelled images.
        repeated: Duplicates among themselves.
        near_searched: Whether near duplicates were searched for.
        unsure: Predictions below the threshold.
        crowded: Predictions left out to balance the classes.
        per_class: Pseudo-labels by class.
        teacher: Metrics of the teacher on the same test split.
        first_teacher: Metrics of the first teacher, trained on labels alone.
    """

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


class GeneratedCard(CardSection):
    """Samples of a generator that rare classes were also learnt from.

    Attributes:
        source: Name of the generator.
        weights: Hash of its weights.
        drawn: Samples in all.
        learnt: Samples that were trained on.
        in_test: Samples left out because they repeat a validation or test image, exactly or nearly.
        repeated: Samples left out because they repeat a training image or each other.
        per_class: ``learnt`` by class.
    """

    source: str
    weights: str
    drawn: int
    learnt: int
    in_test: int
    repeated: int
    per_class: dict[str, int]


class ProvenanceCard(CardSection):
    """Software, machine, time, seed and execution settings of the training."""

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
    """The whole card; ``metrics``, ``baseline`` and ``per_class`` have the form of ``capas test --json``.

    ``files`` has the hash of each file beside the card but for the README, and ``seal`` that of the card itself: who
    changes a file by mistake is told so. They are no signature; whoever means to can write new ones.
    """

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
    files: dict[str, str] = {}
    data: DataCard
    method: MethodCard | None = None
    generated: GeneratedCard | None = None
    metrics: dict[str, object]
    baseline: dict[str, object]
    per_class: dict[str, object]
    limits: list[str]
    provenance: ProvenanceCard
    seal: str = ""

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
        """The learning problem. Raises ValidationError on an unknown kind of field or task."""
        spec: Spec = _SPEC.validate_python(
            {
                "inputs": [f.model_dump() for f in self.inputs],
                "target": self.targets[0].model_dump() if self.targets else None,
                "further_targets": [f.model_dump() for f in self.targets[1:]],
                "task": self.task,
                "classes": self.classes,
            }
        )
        return spec

    @property
    def headline(self) -> tuple[str, MetricCard]:
        """Name and value of the headline metric on the test split."""
        name = next(iter(self.metrics))
        return name, MetricCard.model_validate(self.metrics[name])


def write_card(path: Path, card: Card) -> Card:
    """Write ``card`` as JSON, sealed, and return it so; method, generated examples and columns are left out where there
    are none.
    """
    absent = {name for name in ("method", "generated") if getattr(card, name) is None}
    tree = json.loads(card.model_dump_json(exclude=absent))
    if not card.network.columns:
        del tree["network"]["columns"]
    tree["seal"] = seal_of(tree)
    write_json(path, tree)
    return card.model_copy(update={"seal": tree["seal"]})


def seal_of(tree: Mapping[str, object]) -> str:
    """Return the hash of a card's JSON object without its seal, whatever the order of its keys."""
    bare = {name: value for name, value in tree.items() if name != "seal"}
    return content_hash(json.dumps(bare, sort_keys=True, ensure_ascii=True).encode())


def read_card(path: Path) -> Card:
    """Read the card at ``path``. Raises CapasError ``card_unreadable`` that names the wrong key,
    ``card_version`` for a newer bundle, ``card_older`` for one whose keys this version no longer has, or
    ``bundle_altered`` where the card is not as it was written.
    """
    try:
        content = read_regular(path, max_bytes=MAX_BYTES)
        _refuse_other_versions(path, content)
        card = Card.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ": ".join(filter(None, [str(path), ".".join(map(str, first["loc"]))]))
        raise CapasError("card_unreadable", where=where, received=str(first["msg"])) from error
    except OSError as error:
        raise CapasError("card_unreadable", where=path, received=error.strerror or str(error)) from error
    if card.seal != seal_of(json.loads(content)):
        raise CapasError("bundle_altered", where=path, received=card.seal[:8])
    if len(set(card.classes)) != len(card.classes):
        raise CapasError("card_unreadable", where=f"{path}: classes", received="two classes of one name")
    return card


def _refuse_other_versions(path: Path, content: bytes) -> None:
    """The version is looked at before anything else: the keys of another one would be called unknown."""
    try:
        tree = parse_json(content)
    except ValueError:
        return
    kind, version = (tree.get("format"), tree.get("version")) if isinstance(tree, dict) else (None, None)
    if not isinstance(version, int):
        return
    if kind != FORMAT or version > VERSION:
        raise CapasError("card_version", where=path, received=f"{kind} {version}", known=VERSION)
    if version < VERSION:
        raise CapasError("card_older", where=path, received=version, known=VERSION)


def limitations(spec: Spec, n_test: int, smallest: tuple[str, int] | None, *, grey: bool) -> list[str]:
    """Return sentences on what the metrics do not show.

    Args:
        spec: The learning problem.
        n_test: Number of test examples.
        smallest: Name and size of the smallest class, None for tasks without classes.
        grey: Whether the model takes greyscale images.
    """
    answers = "class" if spec.task == "classify" else "other"
    sentences = [say(f"card.same_source.{spec.medium}"), say(f"card.always_answers.{answers}")]
    if spec.task == "verify":
        sentences.append(say(f"card.consent.{spec.medium}"))
    if spec.task == "generate":
        sentences.append(say("card.generated"))
    if spec.unpaired:
        sentences.append(say("card.translated"))
    if spec.columns_beside:
        sentences.append(say("card.columns_beside", columns=", ".join(field.name for field in spec.columns_beside)))
    if n_test < 200:
        sentences.append(say("card.limit_small_test", n=n_test))
    if smallest is not None and smallest[1] < 50:
        sentences.append(say("card.limit_small_class", name=smallest[0], n=smallest[1]))
    if grey:
        sentences.append(say("card.limit_grey"))
    if smallest is not None:
        sentences.append(say("card.limit_probabilities"))
    return sentences
