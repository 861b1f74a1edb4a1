"""What a quick model that has not seen a training label thinks of it, cross-validated."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from capas.data.rows import EncodedRows, one_hot
from capas.data.text_features import TfIdf
from capas.engine.recipes.pictures import PictureReader
from capas.engine.recipes.rows import RowReader
from capas.engine.recipes.sounds import SoundReader, spectrograms_of
from capas.engine.recipes.texts import TextReader
from capas.networks.efficientnet_weights import pretrained_lite0
from capas.trust.label_errors import cross_validated, out_of_sample
from capas.trust.pixels import as_shares
from capas.trust.small_network import at_working_size, learnt_elsewhere
from capas.trust.subject import BATCH, Subject, see

TERMS = 2000
FOLDS = 4
Progress = Callable[[int, int], None]
STRETCHES = 8


def believed(
    subject: Subject, labels: Int[Tensor, " N"], rng: torch.Generator, progress: Progress
) -> Float[Tensor, "N K"]:
    """For the training part with these ``labels``, the probabilities of the classes from a model that was not given the
    example's own: of pictures a small network, or logistic regression on what ImageNet taught where the model began
    with that; of texts, sounds and rows logistic regression on words, bands over eight stretches of time, and cells."""
    reader, k = subject.reader, len(subject.case.classes)
    if isinstance(reader, PictureReader) and subject.case.config.network.pretrained is not True:
        pictures = at_working_size(as_shares(subject.train.prepared))
        done = 0

        def answer(learn: Tensor, held: Tensor) -> Tensor:
            nonlocal done
            progress(done := done + 1, FOLDS)
            return learnt_elsewhere(pictures, labels, k, learn, held, rng)

        return cross_validated(len(labels), k, rng, answer, folds=FOLDS)
    return out_of_sample(_features(subject), labels, k, rng)


def _features(subject: Subject) -> Float[Tensor, "N D"]:
    reader, prepared = subject.reader, subject.train.prepared
    if isinstance(reader, PictureReader):
        network = pretrained_lite0(num_classes=len(subject.case.classes), stochastic_depth=0.0)
        return see(PictureReader(network.eval(), reader.preparation), prepared).features
    if isinstance(reader, TextReader):
        return _words(cast(Sequence[str], prepared))
    if isinstance(reader, SoundReader):
        return torch.cat([_bands(reader, wave) for wave in cast(Sequence[NDArray[np.float32]], prepared)])
    assert isinstance(reader, RowReader)
    return one_hot(reader.collate(cast(Sequence[EncodedRows], prepared)), reader.preparation)


def _words(texts: Sequence[str]) -> Float[Tensor, "N D"]:
    code = TfIdf.fit(texts, longest=1, min_texts=2 if len(texts) > BATCH else 1, max_features=TERMS)
    return code.features(texts).dense(max(1, len(code)))


def _bands(reader: SoundReader, wave: NDArray[np.float32]) -> Float[Tensor, "1 D"]:
    values = spectrograms_of([wave], reader.preparation).values
    return torch.nn.functional.adaptive_avg_pool1d(values, STRETCHES).flatten(1)
