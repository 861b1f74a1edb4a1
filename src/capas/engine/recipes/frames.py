"""A class for every frame of a sound (10 ms): speech or none, which sound when. What is no segment is "none".

The network reads log-mel frames through convolutions that halve them and an LSTM in both directions, the CRNN of
``networks/crnn.py``; between two of its answers, the frame that it has none for gets their mean. It learns from pieces
of ``sound.seconds``, each time begun elsewhere; nothing is shifted against its labels and no stretch of time is hidden,
because what is there must be said. It answers whole sounds, very long ones in pieces that overlap.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Final, cast

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.export import Exportable
from capas.bundle.export_forms import FromWaves, Probabilities
from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, PREPARATION
from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.random import derive_seed, stream
from capas.data.batch import Batch
from capas.data.inputs import Sounds
from capas.data.look import Look
from capas.data.segments import NONE, Segments, frame_classes, within
from capas.data.sound import Samples, read_sound
from capas.data.survey import SoundStatistics
from capas.engine.choose import Execution, Trial
from capas.engine.config import Config
from capas.engine.loop import Score
from capas.engine.parallel import Ranks
from capas.engine.recipe import Item, Prediction, Settled, Tested, Work
from capas.engine.recipes.drawn import DrawnBatches
from capas.engine.recipes.frame_answers import prediction_of, read_whole, segments_of, timed_segments, written
from capas.engine.recipes.frame_pieces import (
    EveryFrame,
    Piece,
    SpreadOut,
    cut_out,
    frame_count,
    hop_s,
    levels_of,
    pieces_of,
    probabilities_of,
)
from capas.engine.recipes.one_answer import order_of
from capas.engine.recipes.sounds import (
    SoundPreparation,
    Spectrograms,
    augmentation_of,
    given_wave,
    heard_by,
    made_up_waves,
    measured,
    sound_items,
    spectrograms_of,
)
from capas.engine.settle import chosen, filled, with_sections
from capas.networks.catalog import described
from capas.networks.crnn import ReaderConfig, SoundReader
from capas.tasks.energy import EnergyThreshold
from capas.tasks.events import COLLAR_S, best_path, counted, smoothed
from capas.tasks.frames import VOID, FrameLabelling, confusion, frame_figures

NAME: Final = "crnn-sound"
WIDTH, HIDDEN = 24, 96
PIECE_S: Final = 10.0
SECONDS_SEEN: Final = 20_000.0
BATCH: Final = 16
SHORTEST: Final = (1, 3, 5, 8, 10, 15, 20, 30, 50)  # frames: what is tried on the validation split
UNTUNED: Final = 10


def settle(config: Config, seen: Look) -> Settled:
    """Decide what ``config`` leaves open for sounds with segments."""
    sounds = seen.statistics
    if not isinstance(sounds, SoundStatistics):
        raise CapasError("no_sounds_to_learn", where=seen.source.root)
    if config.network.name not in ("auto", NAME):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NAME)
    n = max(1, seen.split.count("train"))
    rate = chosen(config.sound.rate, min(16_000, sounds.commonest_rate))
    seconds = chosen(config.sound.seconds, min(PIECE_S, max(0.2, sounds.longest_s)))
    learnt_s = max(seconds, sounds.total_s * n / max(1, sounds.count))
    pieces = max(1, round(learnt_s / seconds))
    epochs = chosen(config.train.epochs, float(max(5, min(100, round(SECONDS_SEEN / learnt_s)))))
    made = filled(
        config, name=NAME, width=WIDTH, batch_size=max(2, min(BATCH, pieces // 10)), epochs=epochs,
        learning_rate=2e-3, weight_decay=1e-3, clip=5.0,
    )  # fmt: skip
    made = with_sections(made, {"sound": {"rate": rate, "seconds": seconds}})
    reasons = (say("settle.frames", network=NAME, seconds=f"{seconds:.1f}"),
               say("settle.epochs", epochs=int(epochs), n=n))  # fmt: skip
    return Settled(config=made, reasons=reasons)


def truth_of(
    segments: Segments | None, index: int, wave: Tensor, classes: Sequence[str], preparation: SoundPreparation
) -> Tensor:
    """The class of every frame of a recording, T int64."""
    assert segments is not None
    kept = within(segments.segments[index], len(wave) / preparation.rate).kept
    return frame_classes(kept, classes, frame_count(wave, preparation), hop_s(preparation))


class LearnFrames:
    """Sounds, the classes of their frames, network and objective of a run (``Learnable``)."""

    head: str | None = None

    def __init__(self, work: Work, ranks: Ranks) -> None:
        self.config, self.record, self.classes = work.config, work.record, work.spec.classes
        self.preparation = _preparation(self.config)
        self.waves = _read_all(work, self.preparation)
        segments = work.targets
        assert isinstance(segments, Segments)
        self.truth = [
            truth_of(segments, i, wave, self.classes, self.preparation)
            for i, wave in zip(work.indices, self.waves, strict=True)
        ]
        train = work.record.positions("train").tolist()
        most = max(2, round(self.preparation.seconds / hop_s(self.preparation)))
        found = pieces_of([len(self.truth[i]) for i in train], most)
        self.pieces = [replace(piece, recording=train[piece.recording]) for piece in found]
        hop = self.preparation.mel.hop
        heard = [cut_out(self.waves[p.recording], p.first, p.count, hop).numpy() for p in self.pieces]
        self.preparation = measured(heard, self.preparation)
        self._network = build_network(self.config, len(self.classes))
        self._objective = FrameLabelling(self._network, class_weights=self._weights(train))
        lengths = torch.tensor([piece.count for piece in self.pieces])
        order = order_of(self.config, torch.arange(len(self.pieces)), ranks, lengths=lengths)
        names = [f"{work.record.names[p.recording]}@{p.first * hop_s(self.preparation):.1f}" for p in self.pieces]
        self._batches = DrawnBatches(order, names, self._vary)
        self.shortest = UNTUNED

    def _weights(self, train: Sequence[int]) -> Tensor | None:
        """Rare classes weigh more where the configuration wants it: by the share of the frames."""
        if self.config.objective.class_weights != "balanced":
            return None
        counts = torch.bincount(torch.cat([self.truth[i] for i in train]), minlength=len(self.classes)).float()
        return counts.sum() / (len(counts) * counts.clamp(min=1))

    def _vary(self, positions: Tensor, rng: torch.Generator) -> tuple[Spectrograms, Tensor]:
        augmentation = replace(augmentation_of(self.config), shift=0.0, time_mask=0.0)
        begun = [self._begun(self.pieces[i], rng) for i in positions.tolist()]
        hop = self.preparation.mel.hop
        given = [cut_out(self.waves[p.recording], p.first, p.count, hop).numpy() for p in begun]
        wanted = [self.truth[p.recording][p.first : p.first + p.count] for p in begun]
        sounds = spectrograms_of(given, self.preparation, augmentation, rng)
        return sounds, nn.utils.rnn.pad_sequence(wanted, batch_first=True, padding_value=VOID)

    def _begun(self, piece: Piece, rng: torch.Generator) -> Piece:
        """The piece moved by up to half of its length, within its recording."""
        moved = piece.first + int((torch.rand((), generator=rng) - 0.5) * piece.count)
        last = len(self.truth[piece.recording]) - piece.count
        return replace(piece, first=max(0, min(last, moved)))

    @property
    def objective(self) -> FrameLabelling:
        return self._objective

    @property
    def batches(self) -> DrawnBatches[Spectrograms]:
        return self._batches

    @property
    def validates(self) -> bool:
        return "validation" in self.record.splits

    def _probabilities(self, positions: Sequence[int], execution: Execution) -> list[Tensor]:
        return probabilities_of(self._network, [self.waves[i] for i in positions], self.preparation, execution)

    def validate(self, execution: Execution) -> Score:
        positions = self.record.positions("validation").tolist()
        said = torch.cat(self._probabilities(positions, execution))
        truth = torch.cat([self.truth[i] for i in positions])
        right = float((said.argmax(1) == truth).double().mean())
        loss = float(-said.gather(1, truth[:, None]).double().clamp(min=1e-12).log().mean())
        return Score(metric="frame_accuracy", value=right, loss=loss, n=len(positions))

    def finish(self, execution: Execution) -> None:
        """How short a segment may be: what finds most segments of the validation split, and wrongs fewest frames."""
        if self.validates:
            positions = self.record.positions("validation").tolist()
            paths = [own.argmax(1).tolist() for own in self._probabilities(positions, execution)]
            truth = [self.truth[i].tolist() for i in positions]
            self.shortest = max(SHORTEST, key=lambda length: _worth(paths, truth, length))

    def test(self, execution: Execution) -> Tested:
        test = self.record.positions("test").tolist()
        paths = [best_path(own, self.shortest) for own in self._probabilities(test, execution)]
        names, truth = ([held[i] for i in test] for held in (self.record.names, self.truth))
        simple: dict[str, list[list[int]]] = {"most_frequent_class": self._commonest(truth)}
        if len(self.classes) == 2:
            simple["energy_threshold"] = self._by_energy(test)
        return judged(names, truth, paths, self.classes, hop_s(self.preparation), simple)

    def _commonest(self, truth: Sequence[Tensor]) -> list[list[int]]:
        learnt = torch.cat([self.truth[i] for i in self.record.positions("train").tolist()])
        return [[int(torch.bincount(learnt).argmax())] * len(own) for own in truth]

    def _by_energy(self, test: Sequence[int]) -> list[list[int]]:
        tuned = self.record.positions("validation" if self.validates else "train").tolist()
        fitted = EnergyThreshold.fit(
            [levels_of(self.waves[i], self.preparation) for i in tuned], [self.truth[i] for i in tuned], SHORTEST
        )
        return [fitted.predict(levels_of(self.waves[i], self.preparation)) for i in test]

    def files(self) -> Mapping[str, object]:
        answers = {"kind": "segments", "classes": list(self.classes), "shortest_frames": self.shortest}
        return {PREPARATION: asdict(self.preparation), ANSWERS: answers}

    def network_card(self) -> NetworkCard:
        settings = {"width": int(self.config.network.width), "hidden": HIDDEN, "num_classes": len(self.classes)}
        parameters = sum(p.numel() for p in self._network.parameters())
        return NetworkCard(name=NAME, settings={**settings}, parameters=parameters, paper=described(NAME).paper)


def _worth(paths: Sequence[list[int]], truth: Sequence[list[int]], length: int) -> tuple[float, int, int]:
    clean = [smoothed(path, length) for path in paths]
    events = [counted(own, said, collar=_collar()) for own, said in zip(truth, clean, strict=True)]
    total = sum(one.wanted + one.said for one in events)
    right = sum(a == b for own, said in zip(truth, clean, strict=True) for a, b in zip(own, said, strict=True))
    return 2 * sum(one.found for one in events) / max(1, total), right, -length


def _collar(hop: float = 0.01) -> int:
    return round(COLLAR_S / hop)


def _preparation(config: Config) -> SoundPreparation:
    sound = config.sound
    assert sound.rate != "auto" and sound.seconds != "auto"
    return SoundPreparation(rate=sound.rate, seconds=sound.seconds, num_mels=sound.bands)


def _read_all(work: Work, preparation: SoundPreparation) -> list[Tensor]:
    sounds, waves = work.inputs, list[Tensor]()
    assert isinstance(sounds, Sounds)
    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        for sound in pool.map(lambda i: read_sound(sounds.paths[i], rate=preparation.rate), work.indices):
            waves.append(torch.from_numpy(sound.samples))
            work.progress(len(waves), len(work.indices))
    return waves


def build_network(config: Config, num_classes: int) -> nn.Module:
    """With weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return _network(config.sound.bands, num_classes, int(config.network.width), HIDDEN).train()


def _network(bands: int, num_classes: int, width: int, hidden: int) -> EveryFrame:
    return EveryFrame(SoundReader(ReaderConfig(size=bands, num_labels=num_classes, width=width, hidden=hidden)))


def judged(
    names: Sequence[str], truth: Sequence[Tensor], paths: Sequence[list[int]], classes: Sequence[str], hop: float,
    simple: Mapping[str, Sequence[list[int]]],
) -> Tested:  # fmt: skip
    """Figures of the ``paths`` that were said against the ``truth``; those of the ``simple`` answers stand beside."""
    k = len(classes)

    def against(said: Sequence[list[int]], draws: int) -> tuple[Tensor, dict[str, object], dict[str, object]]:
        tables = torch.stack([confusion(torch.tensor(s), t, k) for s, t in zip(said, truth, strict=True)])
        events = [counted(t.tolist(), s, collar=_collar(hop)) for s, t in zip(said, truth, strict=True)]
        figures = frame_figures(tables, events, classes, draws=draws)
        return tables, figures.metrics_json(), figures.per_class_json()

    tables, metrics, per_class = against(paths, 1000)
    rows = [["example", "segments", "predicted", "frame_error"]]
    for name, own, said, cells in zip(names, truth, paths, tables, strict=True):
        share = 1 - float(cells.diagonal().sum()) / len(own)
        marked = [written(segments_of(path, classes, hop)) for path in (own.tolist(), said)]
        rows.append([name, *marked, f"{share:.6f}"])
    return Tested(
        n=len(names), metrics=metrics, baseline={name: against(said, 1000)[1] for name, said in simple.items()},
        rows=rows, per_class=per_class, further={"frames": sum(map(len, truth)), "confusion": tables.sum(0).tolist()},
    )  # fmt: skip


class FrameModel:
    """A finished model (``Answering``) that says what is when."""

    def __init__(
        self, network: nn.Module, preparation: SoundPreparation, classes: Sequence[str], shortest: int
    ) -> None:
        self.network = network
        self.preparation = preparation
        self.classes = tuple(classes)
        self.shortest = shortest

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return sound_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return Item(name=str(content) if isinstance(content, str) else f"sound {number}", content=content)

    def read(self, item: Item) -> Samples:
        return read_whole(item, self.preparation.rate)

    def answer(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        waves = [torch.from_numpy(samples) for samples in cast(Sequence[Samples], prepared)]
        answers = []
        for name, wave, own in zip(names, waves, self._probabilities(waves), strict=True):
            seconds = len(wave) / self.preparation.rate
            found = timed_segments(own, self.classes, self.shortest, hop_s(self.preparation), seconds)
            answers.append(prediction_of(name, found, seconds))
        return answers

    def _probabilities(self, waves: Sequence[Tensor]) -> list[Tensor]:
        device = next(self.network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        return probabilities_of(self.network, waves, self.preparation, execution)

    def retest(self, seen: Look, indices: Sequence[int]) -> Tested:
        sounds, segments = seen.inputs, seen.source.targets
        assert isinstance(sounds, Sounds) and isinstance(segments, Segments)
        truth, paths = list[Tensor](), list[list[int]]()
        for i in indices:
            wave = torch.from_numpy(read_sound(sounds.paths[i], rate=self.preparation.rate).samples)
            truth.append(truth_of(segments, i, wave, self.classes, self.preparation))
            paths.append(best_path(self._probabilities([wave])[0], self.shortest))
        return judged([sounds.name(i) for i in indices], truth, paths, self.classes, hop_s(self.preparation), {})

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self.network, EveryFrame)
        waves = [(torch.from_numpy(wave)[None],) for wave in cast(Sequence[Samples], prepared)]
        told = f"of every frame of {hop_s(self.preparation):g} s; what lasts fewer than shortest_frames is left out"
        return Exportable(
            network=Probabilities(FromWaves(SpreadOut(self.network.reader), heard_by(self.preparation)), dim=2),
            inputs=[given_wave(self.preparation, 1)], output="probabilities", axes=(1, "frames", len(self.classes)),
            compared=waves or [(made_up_waves(self.preparation, 1),)], count=max(1, len(waves)),
            facts={"classes": list(self.classes), "probabilities": told, "shortest_frames": self.shortest,
                   "preparation": asdict(self.preparation)},
        )  # fmt: skip


_PREPARATIONS: TypeAdapter[SoundPreparation] = TypeAdapter(SoundPreparation)


class FrameRecipe:
    """Sounds → what is when (``Recipe``)."""

    def settle(self, config: Config, seen: Look) -> Settled:
        return settle(config, seen)

    def prepare(self, work: Work, ranks: Ranks) -> LearnFrames:
        return LearnFrames(work, ranks)

    def trial(self, config: Config, seen: Look) -> Trial[Batch[Spectrograms]]:
        preparation, sounds = _preparation(config), seen.statistics
        assert isinstance(sounds, SoundStatistics)
        n, learnt_s = max(1, seen.split.count("train")), sounds.total_s / max(1, sounds.count)
        pieces = max(1, round(n * max(1.0, learnt_s / preparation.seconds)))
        size = min(int(config.train.batch_size), pieces)
        length = max(1, round(min(preparation.seconds, sounds.median_s) * preparation.rate))
        chance, classes = stream(0, "trial"), seen.detection.spec.classes
        waves = [(torch.randn(length, generator=chance) / 10).numpy() for _ in range(size)]
        given = spectrograms_of(waves, preparation)
        targets = torch.randint(len(classes), (size, given.values.shape[2]), generator=chance)
        batch = Batch(inputs=given, targets=targets, positions=torch.arange(size))
        return Trial(objective=FrameLabelling(build_network(config, len(classes))), batch=batch, examples=size)

    def reopen(self, bundle: Bundle) -> FrameModel:
        answers, settings = bundle.file(ANSWERS), bundle.card.network.settings
        try:
            preparation = _PREPARATIONS.validate_python(bundle.file(PREPARATION))
            classes = [str(name) for name in cast(list[object], answers["classes"])]
            shortest = int(str(answers["shortest_frames"]))
            width, hidden = (int(str(settings[name])) for name in ("width", "hidden"))
            if not classes or classes[0] != NONE or settings.get("num_classes") != len(classes):
                raise ValueError(f"classes: {classes}")
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=str(error)) from error
        network = bundle.fill(_network(preparation.num_mels, len(classes), width, hidden))
        return FrameModel(network, preparation, classes, shortest)


recipe = FrameRecipe()
