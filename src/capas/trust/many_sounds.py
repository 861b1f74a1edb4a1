"""A class for every frame of a sound, questioned recording by recording."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.data.inputs import Inputs, Sounds
from capas.data.segments import Segments
from capas.data.sound import Samples
from capas.engine.choose import Execution
from capas.engine.recipe import Item
from capas.engine.recipes.frame_pieces import hop_s, probabilities_of
from capas.engine.recipes.frames import FrameModel, truth_of
from capas.engine.recipes.sounds import spectrograms_of
from capas.tasks.events import runs
from capas.trust.many import Answered, Doubt, Kind, LastLinear, Sensed, Statements
from capas.trust.pictured import spectrogram_picture

PLAIN = Execution(device="cpu", precision="float32", memory_format="contiguous", threads=1, reason="")


class FrameSense:
    """``Sensing`` of sounds whose frames get classes."""

    def __init__(self, model: FrameModel) -> None:
        self.model = model

    @torch.no_grad()
    def sensed(self, prepared: object) -> Sensed:
        """``features``: the mean over the frames of what the LSTM makes of them."""
        assert isinstance(prepared, np.ndarray)
        with LastLinear(self.model.network) as last:
            self.model.network(spectrograms_of([prepared], self.model.preparation))
            return Sensed(features=last.features(), views=None)

    def strange(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        return strange_waves([wave for wave in prepared if isinstance(wave, np.ndarray)], rng)

    def picture(self, prepared: object) -> NDArray[np.uint8]:
        assert isinstance(prepared, np.ndarray)
        return spectrogram_picture(spectrograms_of([prepared], self.model.preparation).values[0])


class FrameAnswers:
    """``ManyAnswers`` of frames."""

    kind: Kind = "frames"
    most: int = 100

    def __init__(self, model: FrameModel, sounds: Inputs, segments: Inputs | None) -> None:
        assert isinstance(sounds, Sounds) and isinstance(segments, Segments)
        self.model = model
        self.sense = FrameSense(model)
        self.sounds = sounds
        self.segments = segments

    def prepared(self, index: int) -> Samples:
        return self.model.read(Item(name=self.sounds.name(index), content=self.sounds.paths[index]))

    def _probabilities(self, wave: Tensor) -> Tensor:
        return probabilities_of(self.model.network, [wave], self.model.preparation, PLAIN)[0]

    def answered(self, index: int, position: int, rng: torch.Generator) -> Answered:
        wave = torch.from_numpy(self.prepared(index))
        p, names, hop = self._probabilities(wave), self.model.classes, hop_s(self.model.preparation)
        truth = truth_of(self.segments, index, wave, names, self.model.preparation)
        stated, called = p.max(1)
        doubts = []
        for run in runs(truth.tolist()):
            inside = p[run.start : run.end].mean(0)
            doubts.append(Doubt(position=position, place=f"{run.start * hop:.2f}–{run.end * hop:.2f} s",
                                given=names[run.number], likely=names[int(inside.argmax())],
                                probability=float(inside[run.number])))  # fmt: skip
        return Answered(statements=Statements(stated=stated, true=called == truth), doubts=tuple(doubts))

    def doubted(self, index: int, doubt: Doubt) -> NDArray[np.float32] | None:
        return None


def strange_waves(waves: Sequence[NDArray[np.float32]], rng: torch.Generator) -> dict[str, list[object]]:
    """White noise as loud as each, silence, and each backwards."""
    chance = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
    levels = [float(np.sqrt(np.mean(wave**2))) for wave in waves]
    return {
        "noise": [chance.normal(0, one, len(wave)).astype(np.float32) for wave, one in zip(waves, levels, strict=True)],
        "silence": [np.zeros_like(wave) for wave in waves],
        "backwards": [np.ascontiguousarray(wave[::-1]) for wave in waves],
    }
