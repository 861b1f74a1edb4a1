"""Noisy student: self-training with a teacher that pseudo-labels further images for its student.

Xie, Luong, Hovy & Le, "Self-training with Noisy Student improves ImageNet classification", CVPR 2020, arXiv:1911.04252,
Algorithm 1:

1. a teacher is trained on the labelled images;
2. without noise, it predicts pseudo-labels for the unlabelled ones (``pseudo_labels.py``);
3. a student at least as large is trained on both, with noise: its loss is the mean over labelled and pseudo-labelled
images;
4. the student becomes the teacher, and again from 2 (``iterations``).

Here each teacher is a finished run of its own in ``RUN/teacher``; with ``iterations`` = k it is itself a student with k
− 1, whose teacher lies in ``RUN/teacher/teacher``. The sections of the configuration are the first teacher's, and
``[method]`` holds what its students do otherwise.

Where we deviate: pseudo-labels are hard (the paper: soft; its ablations find that both work, and soft ones better where
the teacher is unsure). A class is what the dataset record and its digest hold, what mixup and class weights count with,
and what a reader can check. Hence, too, a higher threshold than the paper's 0.3. Input noise is the augmentation that
we have (shift, rotation, brightness and contrast, cutout, each drawn per image) instead of RandAugment; model noise
(dropout, stochastic depth) is what the network brings along.
"""

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.spec import Spec
from capas.data.image.io import ImageCollection
from capas.data.inspect.report import DatasetReport
from capas.data.sources.source import open_source
from capas.engine.config import TASK_OF_METHOD, AugmentConfig, Config, DataConfig, MethodConfig, TrustConfig
from capas.engine.defaults import resolve_auto
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.single_output.image.defaults import VAE, default_batch_and_epochs
from capas.engine.run import absolute_source

NOISY_STUDENT = "noisy-student"
STUDENT_NOISE = {"crop": 0.1, "rotate": 15.0, "colour": 0.3, "cutout": 0.3}


def check_method(config: Config) -> None:
    """Validate ``[method]`` before any data is read. Raises CapasError ``method_needs_embed``,
    ``method_needs_verify``, ``unlabelled_unused``, ``unlabelled_wanted``, ``unlabelled_same`` or ``path_not_utf8``.
    """
    unlabelled = config.method.unlabelled
    task = TASK_OF_METHOD.get(config.method.name)
    if task is not None and config.data.task != task:
        key = "method_needs_embed" if task == "embed" else "method_needs_verify"
        raise CapasError(key, where="method.name", received=config.method.name)
    if config.method.name != NOISY_STUDENT:
        if unlabelled:
            raise CapasError("unlabelled_unused", where="method.unlabelled", received=unlabelled)
        return
    if not unlabelled.strip():
        raise CapasError("unlabelled_wanted", where="method.unlabelled")
    printable_path = unlabelled.encode("utf-8", "backslashreplace").decode()
    if printable_path != unlabelled:
        raise CapasError("path_not_utf8", where=printable_path)
    if absolute_source(unlabelled) == absolute_source(config.data.source):
        raise CapasError("unlabelled_same", where=unlabelled)


def resolve_method_defaults(resolved: ResolvedConfig, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" of ``[method]``. Raises CapasError ``method_not_for``, ``method_width``, and those of
    ``open_unlabelled``.
    """
    config, method = resolved.config, resolved.config.method
    if method.name == VAE:
        refuse_other_problems(report.detection.spec)
    if method.name != NOISY_STUDENT:
        return resolved
    refuse_other_problems(report.detection.spec)
    if method.width > 1 and not config.network.width:
        raise CapasError("method_width", where="method.width", received=method.width, network=config.network.name)
    count = len(open_unlabelled(method.unlabelled, config.data))
    method = _settled(config, report.split.count("train") + count)
    reason = say(
        "method.settled", labelled=report.split.count("train"), unlabelled=count, iterations=method.iterations,
        epochs=f"{float(method.epochs):g}",
    )  # fmt: skip
    return ResolvedConfig(config=config.model_copy(update={"method": method}), reasons=(*resolved.reasons, reason))


def refuse_other_problems(spec: Spec, where: str = "method.name") -> None:
    """Raise CapasError ``method_not_for`` unless ``spec`` is image classification with one class per image."""
    if (spec.task, spec.medium) != ("classify", "image"):
        raise CapasError("method_not_for", where=where, received=f"{spec.task} ({spec.medium})")


def open_unlabelled(where: str, config: DataConfig) -> ImageCollection:
    """Open the images at ``where``. Raises CapasError ``unlabelled_not_pictures`` and those of ``open_source``."""
    source = open_source(where, max_pixels=config.max_pixels, follow_links=config.follow_links)
    if source.images is None or not len(source.images):
        raise CapasError("unlabelled_not_pictures", where=where, received=source.medium)
    return source.images


def _settled(config: Config, examples: int) -> MethodConfig:
    """``[method]`` without "auto", for a student that is trained on at most so many ``examples``."""
    method, augment = config.method, config.augment
    batch, epochs = default_batch_and_epochs(config.network.pretrained is True, examples)
    batch = resolve_auto(method.batch_size, batch)
    rate = float(config.optim.learning_rate)
    if config.optim.optimizer == "sgd":  # in proportion to the batch, as in ``image/defaults.py``
        rate *= int(batch) / int(config.train.batch_size)
    teacher_augment, method_values = augment.model_dump(), method.model_dump()
    usual = {name: max(strength, float(teacher_augment[name])) for name, strength in STUDENT_NOISE.items()}
    if not augment.cutout:  # too small a picture for it, or not wanted
        usual["cutout"] = 0.0
    return method.model_copy(
        update={
            "epochs": resolve_auto(method.epochs, epochs),
            "batch_size": batch,
            "learning_rate": resolve_auto(method.learning_rate, rate),
            **{name: resolve_auto(method_values[name], strength) for name, strength in usual.items()},
        }
    )


def student_config(config: Config) -> Config:
    """Return the configuration that the student of a resolved ``config`` is trained with."""
    method, augment, train = config.method, config.augment, config.train
    if method.noise:
        method_values = method.model_dump()
        noise = augment.model_copy(update={name: method_values[name] for name in STUDENT_NOISE})
    else:
        noise = AugmentConfig(crop=0.0, flip=False, rotate=0.0, colour=0.0, cutout=0.0, mixup=0.0, handwriting=0.0)
    return config.model_copy(
        update={
            "augment": noise,
            "network": config.network.model_copy(update={"width": round(int(config.network.width) * method.width)}),
            "optim": config.optim.model_copy(update={"learning_rate": method.learning_rate}),
            "train": train.model_copy(
                update={
                    "epochs": method.epochs,
                    "batch_size": method.batch_size,
                    "time_s": train.time_s / (method.iterations + 1),
                }
            ),
        }
    )


def teacher_config(config: Config) -> Config:
    """Return the configuration of the teacher of a resolved ``config``: a student with one iteration less, or the first
    teacher, which is trained on labels alone.
    """
    method, train = config.method, config.train
    less = method.iterations - 1
    share = method.iterations / (method.iterations + 1)
    return config.model_copy(
        update={
            "method": method.model_copy(update={"iterations": less}) if less else MethodConfig(),
            "train": train.model_copy(update={"time_s": train.time_s * share}),
            "trust": TrustConfig(report="none", target_fpr=config.trust.target_fpr),
        }
    )
