"""A trained verification model in use: vectors of examples, and whether two are of the same identity."""

from collections.abc import Sequence

import numpy as np
import torch

from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.data.inspect.report import DatasetReport
from capas.engine.recipe import TestResult
from capas.engine.recipes.embedding.predictor import CHUNK, EmbeddingPredictor
from capas.engine.recipes.embedding.readers import EmbeddingReader
from capas.engine.recipes.verification.answers import VerificationAnswers
from capas.engine.recipes.verification.evaluate import LabelledExamples, evaluate_verification
from capas.engine.recipes.verification.groups import group_columns
from capas.engine.recipes.verification.pairs import choose_examples, has_both_kinds


class VerificationPredictor(EmbeddingPredictor):
    """A trained verification model (``Predictor``): an encoder that also knows what its cosines mean.

    Attributes:
        answers: From cosines to probabilities and errors.
    """

    def __init__(self, reader: EmbeddingReader, spec: Spec, answers: VerificationAnswers) -> None:
        super().__init__(reader, spec)
        self.answers = answers

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        """Return the result on pairs of other data. Raises CapasError ``no_pairs_to_test``."""
        identities = np.array([report.labels[i] for i in indices], dtype=np.int64)
        if not has_both_kinds(identities):
            raise CapasError("no_pairs_to_test", where=report.source.root, received=len(np.unique(identities)))
        places = choose_examples(identities)
        some = [indices[place] for place in places.tolist()]
        target = report.detection.spec.target
        examples = LabelledExamples(
            names=[report.inputs.name(i) for i in some], identities=identities[places],
            groups=group_columns(report.source.columns, "" if target is None else target.name, some),
        )  # fmt: skip
        vectors = torch.cat(
            [
                self.embed([self.reader.preprocess_example(report.inputs, i) for i in some[at : at + CHUNK]])
                for at in range(0, len(some), CHUNK)
            ]
        )
        answers = self.answers
        return evaluate_verification(examples, vectors, answers.calibration, answers.eer_threshold, {}).result
