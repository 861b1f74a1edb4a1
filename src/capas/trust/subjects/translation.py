"""Translation models: the report shows their test metrics and runs no further forward passes."""

import numpy as np
import torch
from numpy.typing import NDArray

from capas.trust.subjects.structured import (
    ExampleEvaluation,
    LabelIssue,
    OODFeatureExtractor,
    StructuredKind,
)


class TranslationAdapter:
    """``StructuredAdapter`` of translations, which evaluates no examples."""

    kind: StructuredKind = "translations"
    max_examples: int = 1000
    feature_extractor: OODFeatureExtractor | None = None

    def prepared(self, index: int) -> object:
        raise ValueError("translations are not asked again")

    def evaluate_example(self, index: int, position: int, rng: torch.Generator) -> ExampleEvaluation | None:
        return None

    def label_issue_heatmap(self, index: int, issue: LabelIssue) -> NDArray[np.float32] | None:
        return None
