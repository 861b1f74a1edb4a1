"""The complete configuration of a run: typed, validated, frozen. ``plan.toml`` and ``config.toml`` hold exactly this.

A value of "auto" (or 0 where the description says so) is decided when the run is planned and is then written out; only
the section ``execution`` stays as it was set, and what was measured for it stands in ``decision.json``. What the user
set is never changed.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from capas.core.errors import CapasError
from capas.core.files import read_regular
from capas.core.parsing import parse_toml
from capas.core.value_reasons import value_reasons

Auto = Literal["auto"]
Pixels = Annotated[int, Field(ge=1, le=8192)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class ConfigSection(BaseModel):
    """A table of the configuration: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(ConfigSection):
    """Which examples are used and how they are preprocessed."""

    source: str = Field("", description="a folder, a table or sample:NAME")
    target: str | None = Field(None, description="the column to predict; by default it is detected")
    sheet: str | None = Field(
        None, description="the sheet of a workbook; by default the one that holds most of a table"
    )
    task: str | None = Field(None, description="what to predict; by default it is detected")
    group: str | None = Field(None, description="column whose values must not be divided between splits")
    validation: Auto | Annotated[float, Field(ge=0, lt=1)] = Field(
        "auto", description="share of the examples; 0: none; auto: 0.15, of many texts or rows less, down to 0.05"
    )
    test: float = Field(0.15, gt=0, lt=1, description="share of the examples, where the folder does not fix it")
    image_size: Auto | Pixels = Field("auto", description="side in pixels of what the network sees")
    channels: Auto | Literal[1, 3] = Field("auto", description="1: grey, 3: colour")
    fit: Auto | Literal["crop", "squash", "pad"] = Field("auto", description="how other shapes become square")
    follow_links: bool = Field(False, description="follow symbolic links that leave the folder")
    max_pixels: int = Field(
        50_000_000, gt=0, description="larger pictures are scaled down; those with a mask, a pair or lines are refused"
    )
    transcripts: str = Field(
        "kept",
        description="how transcripts are normalised: kept, castellano, medieval-latin, old-french, or a TOML file",
    )
    columns_beside: bool = Field(
        True, description="where pictures or sounds stand in a table, learn from its other columns too"
    )
    memory_mb: int = Field(0, ge=0, description="beyond this the cache lies on disk; 0: 40 % of what is free")


class NetworkConfig(ConfigSection):
    """Which network is trained."""

    name: str = Field("auto", description="a name from `capas networks`")
    width: Auto | Annotated[int, Field(ge=0)] = Field(
        "auto", description="channels of the first layer, where the network has that dial"
    )
    pretrained: Auto | bool = Field("auto", description="start from ImageNet weights, where the network has them")
    flip_tta: Auto | bool = Field("auto", description="answer for a picture and its mirror image together")
    ngrams: Auto | Annotated[int, Field(ge=0, le=12)] = Field(
        "auto",
        description="longest n-grams of characters that help to read lines of writing; 0: none; auto: if they do",
    )
    ngram_text: str = Field("", description="a text file of the same hand or time, for more n-grams")
    init_from: str = Field("", description="a run, or reader:medieval, whose weights training starts from")
    code: Auto | Annotated[int, Field(ge=1, le=10_000)] = Field(
        "auto", description="numbers of the code that an autoencoder squeezes an example into"
    )
    tied: bool = Field(False, description="an autoencoder leads back by the same weights as it came, transposed")
    layer_wise: Auto | bool = Field("auto", description="an autoencoder first learns one layer after the other")


class AugmentConfig(ConfigSection):
    """Augmentation of training images; 0 or false switches one off."""

    crop: Auto | Fraction = Field("auto", description="shift by up to this share of the side, 0..1")
    flip: Auto | bool = Field("auto", description="mirror half of the pictures, left to right")
    rotate: float = Field(0.0, ge=0, le=180, description="degrees, either way")
    colour: Auto | Annotated[float, Field(ge=0, le=1)] = Field(
        "auto", description="strength of brightness, contrast and saturation, 0..1"
    )
    cutout: Auto | Fraction = Field("auto", description="side of an erased square as a share of the picture's, 0..1")
    mixup: float = Field(0.0, ge=0, description="alpha of the Beta distribution")
    handwriting: float = Field(
        1.0, ge=0, le=1, description="how far lines of writing are slanted, stretched, warped, thinned and faded, 0..1"
    )
    with_run: str = Field("", description="a run of generate whose samples are added to rare classes of pictures")


class AudioConfig(ConfigSection):
    """Audio preprocessing and augmentation; 0 switches an augmentation off."""

    sample_rate: Auto | Annotated[int, Field(ge=1000, le=192_000)] = Field("auto", description="samples per second, Hz")
    seconds: Auto | Annotated[float, Field(gt=0, le=600)] = Field(
        "auto", description="longer sounds lose both ends; what is labelled in time is learnt in such pieces"
    )
    n_mels: int = Field(64, ge=8, le=256, description="mel bands of the spectrogram")
    shift: float = Field(0.1, ge=0, lt=1, description="earlier or later by up to this share of the sound, 0..1")
    gain_db: float = Field(6.0, ge=0, le=60, description="louder or softer by up to so many dB")
    noise_snr_db: float = Field(
        15.0, ge=0, le=60, description="lowest ratio of sound to added noise in dB; 0: no noise"
    )
    time_mask: float = Field(0.1, ge=0, lt=1, description="share of the time that a hidden stretch may take, 0..1")
    frequency_mask: float = Field(
        0.15, ge=0, lt=1, description="share of the bands that a hidden stretch may take, 0..1"
    )


class TransformConfig(ConfigSection):
    """The image-to-image task: restoration, super-resolution, colourisation."""

    kind: Auto | Literal["pairs", "unpaired", "colourise", "super-resolve", "denoise", "inpaint"] = Field(
        "auto",
        description="from pairs, from two folders without pairs, or made from each picture: its colours, its details, "
        "less noise, its holes",
    )
    factor: Auto | Literal[2, 3, 4] = Field("auto", description="how many times larger, where pictures are enlarged")
    noise: float = Field(25.0, gt=0, le=255, description="strongest noise to remove: standard deviation, 0..255")
    cycle: float = Field(10.0, ge=0, description="without pairs: weight of leading a picture there and back; 0: none")
    identity: float = Field(
        5.0, ge=0, description="without pairs: weight of leaving alone what is of the wanted folder already; 0: none"
    )
    pool: int = Field(
        50, ge=0, le=10_000, description="without pairs: former translations shown to each discriminator again; 0: none"
    )
    blocks: Auto | Annotated[int, Field(ge=1, le=64)] = Field(
        "auto", description="without pairs: residual blocks of the network that translates"
    )


class TextConfig(ConfigSection):
    """Tokenization of texts for classification, labelling and translation."""

    vocab_size: Auto | Annotated[int, Field(ge=300, le=1_000_000)] = Field(
        "auto", description="words, or for a translation pieces of words, that are told apart"
    )
    max_words: Auto | Annotated[int, Field(ge=1, le=10_000)] = Field(
        "auto", description="what is longer is learnt from up to here only; for a translation pieces of words"
    )
    word_dropout: float = Field(
        0.1, ge=0, lt=1, description="share of the words hidden in training from networks that read texts in order"
    )


EmbeddingMethodName = Literal[
    "simclr", "byol", "context", "jigsaw", "cpc", "inpaint", "mae", "autoencoder", "denoising",
]  # fmt: skip
VerificationMethodName = Literal["contrastive", "triplet", "supcon", "arcface"]
# The task that a method belongs to; the others are of every task, or say themselves where they do not fit.
TASK_OF_METHOD: Mapping[str, str] = {
    **dict.fromkeys(get_args(EmbeddingMethodName), "embed"),
    **dict.fromkeys(get_args(VerificationMethodName), "verify"),
}


class GenerationConfig(ConfigSection):
    """Learning to generate images."""

    prediction: Auto | Literal["epsilon", "v", "x0"] = Field(
        "auto", description="what a diffusion network predicts: the noise, a mixture of noise and image, or the image"
    )
    schedule: Auto | Literal["cosine", "linear"] = Field("auto", description="how noise grows in diffusion")
    samples: Auto | Annotated[int, Field(ge=16, le=50_000)] = Field(
        "auto", description="samples that are drawn to test the network"
    )
    path_length: Auto | Annotated[float, Field(ge=0, le=100)] = Field(
        "auto", description="how strongly StyleGAN2 is kept smooth between samples (path length); 0: not at all"
    )
    captions: Auto | Literal["minilm", "words"] = Field(
        "auto",
        description="how captions are told to the network: the meaning of English ones, or words of any language",
    )


class MethodConfig(ConfigSection):
    """Semi-supervised training with pseudo-labels: the method, and what the student does otherwise than its teacher."""

    name: Literal["supervised", "noisy-student", "vae"] | EmbeddingMethodName | VerificationMethodName = Field(
        "supervised",
        description="noisy-student: learn from unlabelled pictures too, as a teacher answers for them; "
        "vae: learn classes and how their pictures vary; simclr to denoising: learn to embed without labels; "
        "contrastive to arcface: what is the same identity",
    )
    unlabelled: str = Field("", description="a folder of pictures without labels, or sample:NAME")
    iterations: int = Field(2, ge=1, le=10, description="students, each the teacher of the next")
    threshold: float = Field(0.8, ge=0, lt=1, description="least probability of an answer to learn from, 0..1")
    balance: bool = Field(True, description="as many answers of one class as of another: fewer of the common ones")
    ratio: float = Field(7.0, ge=0, description="at most so many answers per label in an epoch; 0: no limit")
    width: float = Field(1.0, ge=1, le=8, description="the student's first layer, times its first teacher's")
    noise: bool = Field(True, description="vary the student's pictures; without, none is varied")
    crop: Auto | Fraction = Field("auto", description="the student's augment.crop")
    rotate: Auto | Annotated[float, Field(ge=0, le=180)] = Field("auto", description="the student's augment.rotate")
    colour: Auto | Annotated[float, Field(ge=0, le=1)] = Field("auto", description="the student's augment.colour")
    cutout: Auto | Fraction = Field("auto", description="the student's augment.cutout")
    epochs: Auto | Positive = Field("auto", description="the student's train.epochs, labels and answers together")
    batch_size: Auto | Count = Field("auto", description="the student's train.batch_size")
    learning_rate: Auto | Positive = Field("auto", description="the student's optim.learning_rate")


class ObjectiveConfig(ConfigSection):
    """The loss."""

    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of certainty given to the other classes")
    class_weights: Auto | Literal["none", "balanced"] = Field("auto", description="balanced: rare classes weigh more")


class OptimConfig(ConfigSection):
    """Optimizer and learning-rate schedule."""

    optimizer: Auto | Literal["sgd", "adamw"] = Field("auto", description="how steps are taken")
    learning_rate: Auto | Positive = Field("auto", description="the peak of the one-cycle schedule")
    backbone_rate: float = Field(0.1, ge=0, le=1, description="share of it for pretrained layers; 0 freezes them")
    weight_decay: Auto | Annotated[float, Field(ge=0)] = Field("auto", description="pull of the weights to zero")
    warmup: Auto | Fraction = Field("auto", description="share of the steps in which the rate rises")
    schedule: Literal["one-cycle", "constant"] = Field("one-cycle", description="after the rise: fall, or stay")
    ema: Auto | Fraction = Field("auto", description="decay of the averaged weights per step; 0 for none")
    clip: Auto | Annotated[float, Field(ge=0)] = Field("auto", description="largest gradient norm; 0 for no limit")


class TrainConfig(ConfigSection):
    """Length of training, batch size, seed, evaluations and checkpoints."""

    epochs: Auto | Positive = Field("auto", description="passes over the training examples")
    time_s: float = Field(0.0, ge=0, description="seconds of training instead of epochs; 0: by epochs")
    batch_size: Auto | Count = Field("auto", description="examples per step")
    seed: int = Field(1, ge=0, description="of all chance")
    patience: int = Field(0, ge=0, description="stop after so many evaluations without gain; 0: never")
    evaluations: int = Field(10, ge=1, description="at most so many during training, evenly spread")
    cross_validate: bool = Field(
        True, description="where fewer than 20 examples are for the test, test on five other divisions too"
    )
    checkpoint_s: float = Field(30.0, ge=0, description="seconds between checkpoints")
    checkpoint_steps: int = Field(0, ge=0, description="steps between checkpoints; 0: by time")


class ExecutionConfig(ConfigSection):
    """Device, precision and threads; "auto" is measured in a few steps at the start."""

    device: str = Field("auto", description="cpu, cuda, cuda:N or mps")
    precision: Auto | Literal["float32", "bfloat16"] = Field("auto", description="numbers that are multiplied")
    memory_format: Auto | Literal["contiguous", "channels_last"] = Field("auto", description="order of pixels")
    threads: Auto | Count = Field("auto", description="threads that compute")


class TrustConfig(ConfigSection):
    """The trust report, and the threshold of out-of-distribution refusal."""

    report: Auto | Literal["none", "quick", "standard", "deep"] = Field(
        "auto",
        description="the trust report made after training; auto: quick for few examples or in little time",
    )
    time_s: float = Field(
        0.0, ge=0, description="seconds for the report; 0: as long as the training took, and two minutes at least"
    )
    target_fpr: float = Field(
        0.05, gt=0, lt=0.5, description="share of inputs like the training data that predict refuses as unlike them"
    )


class Config(ConfigSection):
    """Every value that decides a run, by section."""

    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    augment: AugmentConfig = AugmentConfig()
    audio: AudioConfig = AudioConfig()
    text: TextConfig = TextConfig()
    transform: TransformConfig = TransformConfig()
    generation: GenerationConfig = GenerationConfig()
    method: MethodConfig = MethodConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    execution: ExecutionConfig = ExecutionConfig()
    trust: TrustConfig = TrustConfig()

    def merged(self, changes: Mapping[str, object], *, where: str = "--set") -> "Config":
        """Return a copy with ``changes``, ``{"section.key": value}``. Raises CapasError on unknown keys and invalid
        values; ``where`` names their origin.
        """
        tree = self.model_dump()
        for dotted, value in changes.items():
            section, _, key = dotted.partition(".")
            if not isinstance(tree.get(section), dict) or key not in tree[section]:
                raise _unknown_key(dotted, where)
            tree[section][key] = value
        return validate_config(tree, where=where)


def validate_config(tree: Mapping[str, object], *, where: str) -> Config:
    """Validate a nested mapping. Raises CapasError that names the key, its value and what is valid."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        names = [str(part) for part in first["loc"]]
        dotted = ".".join(names[:2])
        if first["type"] == "extra_forbidden":
            raise _unknown_key(dotted, where) from error
        reason = value_reasons([one for one in error.errors() if one["loc"][:2] == first["loc"][:2]])
        raise CapasError(
            "plan_value", where=f"{where}: {dotted}", received=str(first["input"]), reason=reason
        ) from error


def known_keys() -> list[str]:
    """Return all keys, as "section.key"."""
    return [f"{section}.{key}" for section, values in Config().model_dump().items() for key in values]


def _unknown_key(key: str, where: str) -> CapasError:
    known = known_keys()
    by_name = {name.partition(".")[2]: name for name in known}
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    last = difflib.get_close_matches(key.rpartition(".")[2], by_name, n=1, cutoff=0.6)
    nearest = close[0] if close else by_name[last[0]] if last else "train.epochs"
    return CapasError("plan_key", where=where, received=key, nearest=nearest)


def parse_settings(settings: Sequence[str]) -> dict[str, object]:
    """Parse ``["train.epochs=3", …]`` into a mapping; values are TOML, or plain text where they are not valid TOML.

    Raises CapasError ``plan_setting`` for a setting without "=".

    >>> parse_settings(["train.epochs=3", "network.name=lenet-5", "augment.flip=false"])
    {'train.epochs': 3, 'network.name': 'lenet-5', 'augment.flip': False}
    """
    parsed: dict[str, object] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise CapasError("plan_setting", where="--set", received=setting)
        try:
            parsed[key.strip()] = parse_toml(f"value = {text}")["value"]
        except ValueError:
            parsed[key.strip()] = text.strip()
    return parsed


def read_config(path: Path) -> Config:
    """Read a configuration from a TOML file. Raises CapasError that names the line or key."""
    try:
        tree = parse_toml(read_regular(path).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise CapasError("plan_unreadable", where=path, received=str(error)) from error
    return validate_config(tree, where=str(path))


def config_to_toml(config: Config) -> str:
    """Return ``config`` as TOML with the description of each key as a comment; unset keys are left out."""
    lines = []
    for section, model in config:
        lines.append(f"[{section}]")
        for key, info in type(model).model_fields.items():
            value = getattr(model, key)
            if value is not None:
                comment = f"  # {info.description}" if info.description else ""
                lines.append(f"{key} = {_toml_value(value)}{comment}")
        lines.append("")
    return "\n".join(lines)


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in text) + '"'
