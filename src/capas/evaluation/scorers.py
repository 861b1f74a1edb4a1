"""The tasks that can be evaluated."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from capas.core.errors import CapasError
from capas.evaluation.classification import ClassificationOptions, classification_inputs, score_classification
from capas.evaluation.results import EvaluationResult, Given, Scorer
from capas.evaluation.search.term_detection import DetectionOptions, detection_inputs, score_detection
from capas.evaluation.segmentation import SegmentationOptions, score_segmentation, segmentation_inputs
from capas.evaluation.speech.diarization import DiarizationOptions, diarization_inputs, score_diarization
from capas.evaluation.speech.recognition import SpeechOptions, score_speech, speech_inputs

SCORERS: Final[Mapping[str, Scorer]] = MappingProxyType(
    {
        "speech": Scorer(score=score_speech, inputs=speech_inputs, options=SpeechOptions, headline="wer"),
        "diarization": Scorer(
            score=score_diarization, inputs=diarization_inputs, options=DiarizationOptions, headline="der"
        ),
        "classification": Scorer(
            score=score_classification,
            inputs=classification_inputs,
            options=ClassificationOptions,
            headline="accuracy",
        ),
        "detection": Scorer(
            score=score_detection, inputs=detection_inputs, options=DetectionOptions, headline="mean_average_precision"
        ),
        "segmentation": Scorer(
            score=score_segmentation, inputs=segmentation_inputs, options=SegmentationOptions, headline="mean_iou"
        ),
    }
)


def scorer_of(task: str) -> Scorer:
    """Return the scorer of a task. Raises CapasError ``score_task``."""
    if task not in SCORERS:
        raise CapasError("score_task", where=task, received=task, known=", ".join(SCORERS))
    return SCORERS[task]


def evaluate_files(task: str, reference: Path, hypothesis: Path, given: Given | None = None) -> EvaluationResult:
    """Score ``hypothesis`` against ``reference``, both files or folders in the formats of the ``task``.

    Raises:
        CapasError: Names file and line of what does not fit.
    """
    return scorer_of(task).score(reference, hypothesis, given or {})
