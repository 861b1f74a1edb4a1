"""Training of audio segmentation networks on windows of recordings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

import torch
from torch import Tensor, nn

from capas.baselines.energy_threshold import EnergyThreshold
from capas.bundle.card import NetworkCard
from capas.bundle.write import ANSWERS, PREPARATION
from capas.data.audio.segments import SegmentCollection
from capas.decoding.label_runs import smoothed_best_path
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import PreparedDataset, TestResult
from capas.engine.recipes.audio_frames.data import audio_preparation, frame_targets, read_recordings
from capas.engine.recipes.audio_frames.defaults import HIDDEN, NAME
from capas.engine.recipes.audio_frames.evaluate import duration_score, evaluate_frames
from capas.engine.recipes.audio_frames.network import build_network
from capas.engine.recipes.audio_frames.windows import (
    FrameWindow,
    frame_levels_db,
    frame_probabilities,
    hop_seconds,
    split_into_windows,
    window_samples,
)
from capas.engine.recipes.shared.batches import JointlyAugmentedBatches, training_sampler
from capas.engine.recipes.shared.spectrograms import (
    Spectrograms,
    audio_augmentation,
    fit_spectrogram_statistics,
    spectrograms_of,
)
from capas.networks.catalog import find_other_entry
from capas.objectives.frame_classification import IGNORE_INDEX, FrameClassification

MIN_DURATIONS: Final = (1, 3, 5, 8, 10, 15, 20, 30, 50)  # frames: what is tried on the validation split
DEFAULT_MIN_DURATION: Final = 10


class AudioFramesJob:
    """Recordings, frame classes, network and objective of a run (``TrainingJob``)."""

    head: str | None = None

    def __init__(self, work: PreparedDataset, ranks: Ranks) -> None:
        self.config, self.record, self.classes = work.config, work.record, work.spec.classes
        self.preparation = audio_preparation(self.config)
        self.waves = read_recordings(work, self.preparation)
        segments = work.targets
        assert isinstance(segments, SegmentCollection)
        self.targets = [
            frame_targets(segments, i, wave, self.classes, self.preparation)
            for i, wave in zip(work.indices, self.waves, strict=True)
        ]
        train = work.record.positions("train").tolist()
        most = max(2, round(self.preparation.seconds / hop_seconds(self.preparation)))
        found = split_into_windows([len(self.targets[i]) for i in train], most)
        self.windows = [replace(piece, recording=train[piece.recording]) for piece in found]
        hop = self.preparation.mel.hop
        heard = [window_samples(self.waves[p.recording], p.first, p.count, hop).numpy() for p in self.windows]
        self.preparation = fit_spectrogram_statistics(heard, self.preparation)
        self._network = build_network(self.config, len(self.classes))
        self._objective = FrameClassification(self._network, class_weights=self._weights(train))
        lengths = torch.tensor([piece.count for piece in self.windows])
        order = training_sampler(self.config, torch.arange(len(self.windows)), ranks, lengths=lengths)
        names = [
            f"{work.record.names[p.recording]}@{p.first * hop_seconds(self.preparation):.1f}" for p in self.windows
        ]
        self._batches = JointlyAugmentedBatches(order, names, self._augment_batch)
        self.min_duration = DEFAULT_MIN_DURATION

    def _weights(self, train: Sequence[int]) -> Tensor | None:
        """Class weights in inverse proportion to the frames of each class, where the configuration asks for them."""
        if self.config.objective.class_weights != "balanced":
            return None
        counts = torch.bincount(torch.cat([self.targets[i] for i in train]), minlength=len(self.classes)).float()
        return counts.sum() / (len(counts) * counts.clamp(min=1))

    def _augment_batch(self, positions: Tensor, rng: torch.Generator) -> tuple[Spectrograms, Tensor]:
        augmentation = replace(audio_augmentation(self.config), shift=0.0, time_mask=0.0)
        begun = [self._shifted_window(self.windows[i], rng) for i in positions.tolist()]
        hop = self.preparation.mel.hop
        given = [window_samples(self.waves[p.recording], p.first, p.count, hop).numpy() for p in begun]
        wanted = [self.targets[p.recording][p.first : p.first + p.count] for p in begun]
        sounds = spectrograms_of(given, self.preparation, augmentation, rng)
        return sounds, nn.utils.rnn.pad_sequence(wanted, batch_first=True, padding_value=IGNORE_INDEX)

    def _shifted_window(self, piece: FrameWindow, rng: torch.Generator) -> FrameWindow:
        """The window moved by up to half of its length, within its recording."""
        moved = piece.first + int((torch.rand((), generator=rng) - 0.5) * piece.count)
        last = len(self.targets[piece.recording]) - piece.count
        return replace(piece, first=max(0, min(last, moved)))

    @property
    def objective(self) -> FrameClassification:
        return self._objective

    @property
    def batches(self) -> JointlyAugmentedBatches[Spectrograms]:
        return self._batches

    @property
    def has_validation(self) -> bool:
        return "validation" in self.record.splits

    def _probabilities(self, positions: Sequence[int], execution: Execution) -> list[Tensor]:
        return frame_probabilities(self._network, [self.waves[i] for i in positions], self.preparation, execution)

    def validate(self, execution: Execution) -> ValidationScore:
        positions = self.record.positions("validation").tolist()
        said = torch.cat(self._probabilities(positions, execution))
        truth = torch.cat([self.targets[i] for i in positions])
        right = float((said.argmax(1) == truth).double().mean())
        loss = float(-said.gather(1, truth[:, None]).double().clamp(min=1e-12).log().mean())
        return ValidationScore(metric="frame_accuracy", value=right, loss=loss, n=len(positions))

    def calibrate(self, execution: Execution) -> None:
        """Choose the least duration of a segment, by event F1 on the validation split, then by frame accuracy."""
        if self.has_validation:
            positions = self.record.positions("validation").tolist()
            paths = [own.argmax(1).tolist() for own in self._probabilities(positions, execution)]
            truth = [self.targets[i].tolist() for i in positions]
            self.min_duration = max(MIN_DURATIONS, key=lambda length: duration_score(paths, truth, length))

    def test(self, execution: Execution) -> TestResult:
        test = self.record.positions("test").tolist()
        paths = [smoothed_best_path(own, self.min_duration) for own in self._probabilities(test, execution)]
        names, truth = ([held[i] for i in test] for held in (self.record.names, self.targets))
        simple: dict[str, list[list[int]]] = {"most_frequent_class": self._most_frequent_class(truth)}
        if len(self.classes) == 2:
            simple["energy_threshold"] = self._by_energy(test)
        return evaluate_frames(names, truth, paths, self.classes, hop_seconds(self.preparation), simple)

    def _most_frequent_class(self, truth: Sequence[Tensor]) -> list[list[int]]:
        learnt = torch.cat([self.targets[i] for i in self.record.positions("train").tolist()])
        return [[int(torch.bincount(learnt).argmax())] * len(own) for own in truth]

    def _by_energy(self, test: Sequence[int]) -> list[list[int]]:
        tuned = self.record.positions("validation" if self.has_validation else "train").tolist()
        fitted = EnergyThreshold.fit(
            [frame_levels_db(self.waves[i], self.preparation) for i in tuned],
            [self.targets[i] for i in tuned],
            MIN_DURATIONS,
        )
        return [fitted.predict(frame_levels_db(self.waves[i], self.preparation)) for i in test]

    def bundle_files(self) -> Mapping[str, object]:
        answers = {"kind": "segments", "classes": list(self.classes), "shortest_frames": self.min_duration}
        return {PREPARATION: asdict(self.preparation), ANSWERS: answers}

    def network_card(self) -> NetworkCard:
        settings = {"width": int(self.config.network.width), "hidden": HIDDEN, "num_classes": len(self.classes)}
        parameters = sum(p.numel() for p in self._network.parameters())
        return NetworkCard(name=NAME, settings={**settings}, parameters=parameters, paper=find_other_entry(NAME).paper)
