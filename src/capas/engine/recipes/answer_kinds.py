"""Which kind of answer a problem wants, and that of a finished model."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from capas.bundle.write import ANSWERS
from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.engine.recipes.answers import Answers
from capas.engine.recipes.class_answers import ClassAnswers
from capas.engine.recipes.number_answers import NumberAnswers
from capas.engine.recipes.tag_answers import TagAnswers
from capas.tasks.regression import SplitConformal, TargetScale


def answers_for(spec: Spec) -> Answers:
    """The kind of answer that ``spec`` wants."""
    if spec.task == "tag":
        return TagAnswers(spec.classes)
    return NumberAnswers(spec.targets) if spec.task == "regress" else ClassAnswers(spec.classes)


def reopened(spec: Spec, tree: Mapping[str, object]) -> Answers:
    """The answers of a finished model, from what ``as_json`` gave. Raises CapasError ``bundle_incomplete``."""
    try:
        if spec.task == "tag":
            thresholds = _THRESHOLDS.validate_python(tree["thresholds"])
            return TagAnswers(spec.classes, thresholds, TEMPERATURE.validate_python(tree.get("temperature", 1.0)))
        if spec.task == "regress":
            scales = _SCALES.validate_python(tree["scales"])
            return NumberAnswers(spec.targets, scales, _CONFORMAL.validate_python(tree["conformal"]))
        return ClassAnswers(spec.classes, TEMPERATURE.validate_python(tree.get("temperature", 1.0)))
    except (KeyError, ValidationError) as error:
        raise CapasError("bundle_incomplete", where=ANSWERS, received=str(error)[:200]) from error


TEMPERATURE: TypeAdapter[float] = TypeAdapter(Annotated[float, Field(gt=0)])
_THRESHOLDS: TypeAdapter[list[float]] = TypeAdapter(list[float])
_SCALES: TypeAdapter[list[TargetScale]] = TypeAdapter(list[TargetScale])
_CONFORMAL: TypeAdapter[list[SplitConformal]] = TypeAdapter(list[SplitConformal])
