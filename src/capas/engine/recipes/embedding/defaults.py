"""Default values for learning without labels."""

from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.data.inspect.dataset_scan import AudioStatistics
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.defaults import resolve_auto, update_sections
from capas.engine.methods.noisy_student import NOISY_STUDENT
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.embedding.documents import MAX_WORDS
from capas.engine.recipes.embedding.encoders import AUTOENCODER
from capas.engine.recipes.embedding.inputs import CROP
from capas.engine.recipes.embedding.objectives import METHODS, EmbeddingMethod
from capas.engine.recipes.shared.image_facts import image_facts
from capas.engine.recipes.single_output.audio.defaults import MAX_DEFAULT_SECONDS, NAME, WIDTH
from capas.engine.recipes.single_output.image.defaults import WIDE_NETWORK_EXAMPLES
from capas.networks.catalog import find_entry

MAX_SIDE: Final = 64
VIT: Final = "vit"
MAX_AUTOENCODER_SIDE: Final = 32  # each pixel has a thousand weights
CODE: Final = 30
DOCUMENT_CODE: Final = 32  # on Reuters better than 10, and as good as 128
VIEWS: Final = 150_000  # examples that are looked at in all, each in two views
RECONSTRUCTIONS: Final = 400_000  # the same of an autoencoder, which is quick
SHIFT: Final = 0.08  # of an autoencoder's images, as a share of the side: without it a few thousand are known by heart
AUTOENCODER_BATCH: Final = 128  # of images, with which the shift was chosen


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for learning without labels.

    Raises CapasError ``method_not_for_medium``, ``method_needs_labels`` or ``network_not_for``.
    """
    medium = report.detection.spec.medium
    if config.method.name == NOISY_STUDENT:
        raise CapasError("method_not_for", where="method.name", received=f"embed ({medium})")
    # Where no word is hidden, codes of many numbers keep the words rather than the subject: on Reuters, with 128
    # numbers and logistic units, 55 % of the nearest texts had a topic in common, against 61 % (docs/log.md).
    usual = "denoising" if medium == "text" else "simclr"
    name = usual if config.method.name == "supervised" else config.method.name
    method = METHODS[name]
    if medium not in method.media:
        known = ", ".join(other for other, row in METHODS.items() if medium in row.media)
        raise CapasError("method_not_for_medium", where="method.name", received=f"{name} ({medium})", known=known)
    n = max(1, report.split.count("train"))
    autoencoder = method.network == AUTOENCODER
    most = AUTOENCODER_BATCH if autoencoder and medium == "image" else 256
    batch = int(resolve_auto(config.train.batch_size, max(16, min(most, 1 << max(0, (n // 8).bit_length() - 1)))))
    epochs = float(
        resolve_auto(
            config.train.epochs, float(max(10, min(200, round((RECONSTRUCTIONS if autoencoder else VIEWS) / n))))
        )
    )
    if medium == "text":
        made = _documents(config)
    elif medium == "image":
        made = _autoencoder(config, report) if autoencoder else _image(config, report, method)
    else:
        made = audio_encoder_sections(config, report)
    decay = 1e-2 if name == "mae" else 0.0 if autoencoder else 1e-4
    common: dict[str, dict[str, object]] = {
        "train": {"batch_size": batch, "epochs": epochs},
        "optim": {
            "optimizer": resolve_auto(config.optim.optimizer, "adamw"),
            "learning_rate": resolve_auto(config.optim.learning_rate, 1e-3),
            "weight_decay": resolve_auto(config.optim.weight_decay, decay),
            "warmup": resolve_auto(config.optim.warmup, 0.1), "ema": resolve_auto(config.optim.ema, 0.0),
        },
    }  # fmt: skip
    resolved = update_sections(config, {**made, **common})
    resolved = resolved.model_copy(
        update={
            "method": config.method.model_copy(update={"name": name}),
        }
    )
    reasons = (
        say("embedding.method", method=name, network=resolved.network.name),
        *_told_of_documents(resolved, medium),
        say("settle.epochs", epochs=int(epochs), n=n),
    )
    return ResolvedConfig(config=resolved, reasons=reasons)


def _image(config: Config, report: DatasetReport, method: EmbeddingMethod) -> dict[str, dict[str, object]]:
    facts = image_facts(report)
    row = find_entry(method.network if config.network.name == "auto" else config.network.name)
    if (method.network == VIT) != (row.name == VIT):
        names = VIT if method.network == VIT else "compact, resnet-cifar-20, …"
        raise CapasError("network_not_for", where="network.name", received=row.name, names=names)
    width = 0 if row.width is None else row.width
    if row.name == "compact" and facts.examples < WIDE_NETWORK_EXAMPLES:
        width //= 2
    least = max(row.minimum_size, method.minimum_size)
    side = int(resolve_auto(config.data.image_size, max(least, min(MAX_SIDE, facts.side))))
    if side < least:
        raise CapasError("pictures_too_small", where="data.image_size", received=side, network=row.name, least=least)
    augment = config.augment
    return {
        "data": {
            "image_size": side, "channels": resolve_auto(config.data.channels, 1 if facts.grey else 3),
            "fit": resolve_auto(config.data.fit, "crop"),
        },
        "network": {
            "name": row.name, "width": resolve_auto(config.network.width, width), "pretrained": False,
            "flip_tta": False,
        },
        "augment": {
            # 1 − the least area that a crop keeps; mirror images only of photographs: digits and letters mean others.
            "crop": resolve_auto(augment.crop, CROP), "flip": resolve_auto(augment.flip, not facts.grey),
            "colour": resolve_auto(augment.colour, 0.4), "cutout": resolve_auto(augment.cutout, 0.0),
        },
    }  # fmt: skip


def _autoencoder(config: Config, report: DatasetReport) -> dict[str, dict[str, object]]:
    """Images that are shifted as they are learnt from; what is rebuilt is the shifted image."""
    facts, network, augment = image_facts(report), config.network, config.augment
    if network.name not in ("auto", AUTOENCODER):
        raise CapasError("network_not_for", where="network.name", received=network.name, names=AUTOENCODER)
    return {
        "data": {
            "image_size": resolve_auto(config.data.image_size, min(MAX_AUTOENCODER_SIDE, facts.side)),
            "channels": resolve_auto(config.data.channels, 1 if facts.grey else 3),
            "fit": resolve_auto(config.data.fit, "crop"),
        },
        "network": {
            "name": AUTOENCODER, "width": resolve_auto(network.width, 0), "pretrained": False, "flip_tta": False,
            "code": resolve_auto(network.code, CODE), "layer_wise": resolve_auto(network.layer_wise, False),
        },
        "augment": {
            "crop": resolve_auto(augment.crop, SHIFT), "flip": resolve_auto(augment.flip, not facts.grey),
            "colour": resolve_auto(augment.colour, 0.4), "cutout": resolve_auto(augment.cutout, 0.0),
        },
    }  # fmt: skip


def _documents(config: Config) -> dict[str, dict[str, object]]:
    """Shares of the most frequent words."""
    network = config.network
    if network.name not in ("auto", AUTOENCODER):
        raise CapasError("network_not_for", where="network.name", received=network.name, names=AUTOENCODER)
    return {
        "text": {"vocab_size": resolve_auto(config.text.vocab_size, MAX_WORDS)},
        "network": {
            "name": AUTOENCODER, "width": resolve_auto(network.width, 0), "pretrained": False, "flip_tta": False,
            "code": resolve_auto(network.code, DOCUMENT_CODE),
            "layer_wise": resolve_auto(network.layer_wise, False),
        },
    }  # fmt: skip


def _told_of_documents(config: Config, medium: str) -> tuple[str, ...]:
    if medium != "text":
        return ()
    words = format_decimal(int(config.text.vocab_size), 0)
    return (say("embedding.documents", words=words, code=int(config.network.code)),)


def audio_encoder_sections(config: Config, report: DatasetReport) -> dict[str, dict[str, object]]:
    """Return the sections "network" and "audio" of an encoder of sounds.

    Raises CapasError ``no_sounds_to_learn`` or ``network_not_for``.
    """
    sounds = report.statistics
    if not isinstance(sounds, AudioStatistics):
        raise CapasError("no_sounds_to_learn", where=report.source.root)
    if config.network.name not in ("auto", NAME):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NAME)
    seconds = min(MAX_DEFAULT_SECONDS, max(0.2, sounds.median_s))
    return {
        "network": {
            "name": NAME, "width": resolve_auto(config.network.width, WIDTH), "pretrained": False, "flip_tta": False,
        },
        "audio": {
            "sample_rate": resolve_auto(config.audio.sample_rate, min(16_000, sounds.most_common_sample_rate)),
            "seconds": resolve_auto(config.audio.seconds, seconds),
        },
    }  # fmt: skip
