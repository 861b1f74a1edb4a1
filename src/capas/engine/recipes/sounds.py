"""Sounds as input: resampled, cut or padded, seen as log-mel spectrograms."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.export import Exportable, Given
from capas.bundle.export_forms import FromWaves, LogMel
from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.random import derive_seed
from capas.core.spec import Medium
from capas.data.augment_sound import SoundAugmentation, augment_spectrograms, augment_waves
from capas.data.batch import Batch, with_targets
from capas.data.folders import list_folder
from capas.data.inputs import Inputs, Sounds
from capas.data.look import Look
from capas.data.mel import MelConfig, frame_counts, log_mel
from capas.data.sound import read_sound
from capas.data.survey import SoundStatistics
from capas.engine.config import Config
from capas.engine.parallel import Ranks
from capas.engine.recipe import Item, Settled, TrainingSet, Work
from capas.engine.recipes.answers import Answers
from capas.engine.recipes.one_answer import OneAnswerRecipe, OnFields, order_of
from capas.engine.settle import chosen, filled
from capas.networks.catalog import described
from capas.networks.conv1d import SpectrogramCNN, SpectrogramCNNConfig

NAME: Final = "spectrogram-cnn"
WIDTH: Final = 64
MANY_SECONDS: Final = 10.0
HOP_S, WINDOW_S = 0.010, 0.032


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundPreparation:
    """How sounds become spectrograms: ``rate`` in Hz, at most ``seconds``, ``num_mels`` bands, and the ``mean`` and
    ``std`` of the training sounds' log-mel values."""

    rate: int
    seconds: float
    num_mels: int
    mean: float = 0.0
    std: float = 1.0

    @property
    def mel(self) -> MelConfig:
        """A window of 32 ms every 10 ms."""
        window = 1 << round(self.rate * WINDOW_S - 1).bit_length()
        return MelConfig(rate=self.rate, window=window, hop=round(self.rate * HOP_S), num_mels=self.num_mels)

    def read(self, path: Path) -> NDArray[np.float32]:
        """The sound at ``path``, mono, the middle of it where it is longer than ``seconds``. Raises CapasError."""
        samples = read_sound(path, rate=self.rate).samples
        most = round(self.seconds * self.rate)
        start = max(0, (len(samples) - most) // 2)
        return samples[start : start + most]


_ADAPTER: TypeAdapter[SoundPreparation] = TypeAdapter(SoundPreparation)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spectrograms:
    """Standardised log-mel ``values`` float32 B×M×T, and how many of the T frames are of each sound."""

    values: Tensor
    lengths: Tensor


def settle(config: Config, seen: Look) -> Settled:
    """Decide what ``config`` leaves open for sounds."""
    n, sounds = max(1, seen.split.count("train")), seen.statistics
    if not isinstance(sounds, SoundStatistics):
        raise CapasError("no_sounds_to_learn", where=seen.source.root)
    if config.network.name not in ("auto", NAME):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NAME)
    rate = chosen(config.sound.rate, min(16_000, sounds.commonest_rate))
    seconds = chosen(config.sound.seconds, min(MANY_SECONDS, max(0.2, sounds.longest_s)))
    batch = max(8, min(64, 1 << max(0, (n // 30).bit_length() - 1)))
    epochs = chosen(config.train.epochs, float(max(10, min(60, round(60_000 / n)))))
    reasons = [say("settle.sounds", network=NAME, rate=rate, seconds=f"{seconds:.1f}")]
    if sounds.longest_s > seconds:
        reasons.append(say("settle.sounds_cut", seconds=f"{seconds:.1f}", longest=f"{sounds.longest_s:.1f}"))
    reasons.append(say("settle.epochs", epochs=int(epochs), n=n))
    made = filled(config, name=NAME, width=WIDTH, batch_size=batch, epochs=epochs, learning_rate=2e-3)
    sound = config.sound.model_copy(update={"rate": rate, "seconds": seconds})
    return Settled(config=made.model_copy(update={"sound": sound}), reasons=tuple(reasons))


def spectrograms_of(
    waves: Sequence[NDArray[np.float32]],
    preparation: SoundPreparation,
    augmentation: SoundAugmentation | None = None,
    rng: torch.Generator | None = None,
) -> Spectrograms:
    """Waves of any length as one batch, varied where ``augmentation`` is given."""
    lengths = torch.tensor([len(wave) for wave in waves])
    padded = torch.zeros(len(waves), int(lengths.max()))
    for i, wave in enumerate(waves):
        padded[i, : len(wave)] = torch.from_numpy(wave)
    if augmentation is not None and rng is not None:
        padded = augment_waves(padded, augmentation, rng)
    frames = frame_counts(lengths, preparation.mel)
    values = (log_mel(padded, preparation.mel) - preparation.mean) / preparation.std
    if augmentation is not None and rng is not None:
        values = augment_spectrograms(values, augmentation, rng, frames)
    return Spectrograms(values=values, lengths=frames)


def augmentation_of(config: Config) -> SoundAugmentation:
    """How training sounds are varied."""
    sound = config.sound
    return SoundAugmentation(
        shift=sound.shift,
        gain_db=sound.gain_db,
        lowest_snr_db=sound.noise_snr_db or None,
        time_mask=sound.time_mask,
        frequency_mask=sound.frequency_mask,
    )


class PreparedSounds:
    """The sounds of a run, decoded once and held as waves."""

    baseline = "logistic_regression"
    head: str | None = None

    def __init__(
        self, config: Config, names: Sequence[str], waves: list[NDArray[np.float32]], preparation: SoundPreparation
    ) -> None:
        self.config = config
        self.waves = waves
        self.preparation = preparation
        self._names = names

    def network(self, num_outputs: int) -> nn.Module:
        return build_network(self.config, num_outputs)

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        settings = {"width": int(self.config.network.width), "num_classes": num_outputs}
        parameters = sum(p.numel() for p in network.parameters())
        return NetworkCard(name=NAME, settings={**settings}, parameters=parameters, paper=described(NAME).paper)

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingSet[Batch[Spectrograms]]:
        augmentation = augmentation_of(self.config)

        def make(chosen: Tensor, rng: torch.Generator) -> Spectrograms:
            return spectrograms_of([self.waves[i] for i in chosen.tolist()], self.preparation, augmentation, rng)

        lengths = torch.tensor([len(self.waves[i]) for i in positions.tolist()])
        return with_targets(order_of(self.config, positions, ranks, lengths=lengths), self._names, targets, make)

    def take(self, positions: Tensor) -> Spectrograms:
        return spectrograms_of([self.waves[i] for i in positions.tolist()], self.preparation)

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        """Mean and deviation of every band over the sound, and the duration."""
        rows = []
        for i in positions.tolist():
            values = spectrograms_of([self.waves[i]], self.preparation).values[0]
            duration = torch.tensor([len(self.waves[i]) / self.preparation.rate])
            rows.append(torch.cat([values.mean(1), values.std(1, correction=0), duration]))
        return torch.stack(rows)

    def as_json(self) -> Mapping[str, object]:
        return asdict(self.preparation)


def build_network(config: Config, num_outputs: int) -> nn.Module:
    """With weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return _network(config.sound.bands, num_outputs, int(config.network.width)).train()


def _network(bands: int, num_outputs: int, width: int) -> nn.Module:
    return OnFields(SpectrogramCNN(SpectrogramCNNConfig(num_mels=bands, num_classes=num_outputs, width=width)))


def read_waves(
    sounds: Sounds, indices: Sequence[int], preparation: SoundPreparation, progress: Callable[[int, int], None]
) -> list[NDArray[np.float32]]:
    """The sounds ``indices``, decoded on all physical cores. Raises CapasError for one that cannot be read."""
    waves = []
    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        for wave in pool.map(lambda i: preparation.read(sounds.paths[i]), indices):
            waves.append(wave)
            progress(len(waves), len(indices))
    return waves


class SoundReader:
    """The input side of a finished model of sounds."""

    def __init__(self, network: nn.Module, preparation: SoundPreparation) -> None:
        self.network = network
        self.preparation = preparation

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return sound_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return Item(name=str(content) if isinstance(content, str | Path) else f"sound {number}", content=content)

    def read(self, item: Item) -> NDArray[np.float32]:
        content = item.content
        if isinstance(content, np.ndarray) and content.dtype == np.float32 and content.ndim == 1:
            return content
        if not isinstance(content, str | Path):
            raise CapasError("not_a_sound_array", where=item.name, received=type(content).__name__)
        return self.preparation.read(Path(content))

    def read_example(self, inputs: Inputs, index: int) -> NDArray[np.float32]:
        assert isinstance(inputs, Sounds)
        return self.preparation.read(inputs.paths[index])

    def collate(self, prepared: Sequence[object]) -> Spectrograms:
        return spectrograms_of(cast(Sequence[NDArray[np.float32]], prepared), self.preparation)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self.network, OnFields)
        network = FromWaves(self.network.network, heard_by(self.preparation))
        waves = [(torch.from_numpy(wave)[None],) for wave in cast(Sequence[NDArray[np.float32]], prepared)]
        noise = made_up_waves(self.preparation, 16)
        return Exportable(
            network=network, inputs=[given_wave(self.preparation, "batch")], output="outputs", axes=("batch",),
            compared=waves or [(noise,)], count=len(waves) or len(noise),
            facts={"preparation": asdict(self.preparation)},
        )  # fmt: skip


def heard_by(preparation: SoundPreparation) -> LogMel:
    """What makes spectrograms in an exported network."""
    return LogMel(preparation.mel, mean=preparation.mean, std=preparation.std)


def made_up_waves(preparation: SoundPreparation, count: int) -> Float[Tensor, "B N"]:
    """Noise of half a second."""
    samples = max(preparation.mel.window, preparation.rate // 2)
    return torch.randn(count, samples, generator=torch.Generator().manual_seed(0)) / 10


def given_wave(preparation: SoundPreparation, batch: str | int) -> Given:
    """The input of an exported network that hears."""
    told = f"-1..1, mono, {preparation.rate} samples a second, all of one length; spectrograms are inside the network"
    example = made_up_waves(preparation, 2 if isinstance(batch, str) else batch)
    return Given(name="sounds", axes=(batch, "samples"), values=told, example=example)


def sound_items(words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
    """Sound files, folders of them, "-" for a path per line of ``lines``. Raises CapasError ``no_such_sound``."""
    for text in words:
        if text == "-":
            paths = (line.rstrip("\r\n") for line in lines if line.strip())
            yield from (Item(name=path, content=Path(path)) for path in paths)
        elif Path(text).is_dir():
            yield from (Item(name=str(path), content=path) for path in list_folder(Path(text)).sounds)
        elif Path(text).exists():
            yield Item(name=text, content=Path(text))
        else:
            raise CapasError("no_such_sound", where=text)


class SoundSide:
    """What sounds contribute to a recipe."""

    medium: Medium = "audio"

    def settle(self, config: Config, seen: Look) -> Settled:
        return settle(config, seen)

    def prepare(self, work: Work, answers: Answers) -> PreparedSounds:
        assert isinstance(work.inputs, Sounds)
        sound = work.config.sound
        assert sound.rate != "auto" and sound.seconds != "auto"
        blank = SoundPreparation(rate=sound.rate, seconds=sound.seconds, num_mels=sound.bands)
        waves = read_waves(work.inputs, work.indices, blank, work.progress)
        train = work.record.positions("train").tolist()
        return PreparedSounds(work.config, work.record.names, waves, measured([waves[i] for i in train], blank))

    def trial_inputs(
        self, config: Config, seen: Look, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, Spectrograms]:
        sound = config.sound
        assert sound.rate != "auto" and sound.seconds != "auto"
        preparation = SoundPreparation(rate=sound.rate, seconds=sound.seconds, num_mels=sound.bands)
        assert isinstance(seen.statistics, SoundStatistics)
        length = round(min(sound.seconds, seen.statistics.median_s) * sound.rate)
        chance = np.random.default_rng(0)
        waves = [chance.normal(0, 0.1, max(1, length)).astype(np.float32) for _ in indices]
        return build_network(config, num_outputs), spectrograms_of(waves, preparation)

    def reopen(self, bundle: Bundle, num_outputs: int) -> SoundReader:
        try:
            preparation = _ADAPTER.validate_python(bundle.file(PREPARATION))
        except ValidationError as error:
            received = str(error.errors()[0]["msg"])
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=received) from error
        width = bundle.card.network.settings.get("width")
        network = _network(preparation.num_mels, num_outputs, int(width or 0))
        return SoundReader(bundle.fill(network), preparation)


def measured(waves: Sequence[NDArray[np.float32]], preparation: SoundPreparation) -> SoundPreparation:
    """The same with the mean and deviation of (at most 500 of) these sounds' log-mel values."""
    few = waves[:: max(1, len(waves) // 500)]
    parts = [spectrograms_of([wave], preparation).values.flatten() for wave in few]
    values = torch.cat(parts)
    return SoundPreparation(
        rate=preparation.rate, seconds=preparation.seconds, num_mels=preparation.num_mels,
        mean=round(float(values.mean()), 6), std=round(max(1e-3, float(values.std())), 6),
    )  # fmt: skip


recipe = OneAnswerRecipe(SoundSide())
