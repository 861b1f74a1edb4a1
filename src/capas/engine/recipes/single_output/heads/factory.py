"""Output heads by task, for training and for restored bundles."""

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from capas.bundle.write import ANSWERS
from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.engine.recipes.shared.temperature import TEMPERATURE_ADAPTER
from capas.engine.recipes.single_output.heads.base import OutputHead
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.engine.recipes.single_output.heads.tags_head import TagsHead
from capas.metrics.conformal_regression import SplitConformal
from capas.objectives.regression import TargetScale


def output_head_for(spec: Spec) -> OutputHead:
    """Return a new output head for ``spec``."""
    if spec.task == "tag":
        return TagsHead(spec.classes)
    return NumbersHead(spec.targets) if spec.task == "regress" else ClassHead(spec.classes)


def restore_output_head(spec: Spec, tree: Mapping[str, object]) -> OutputHead:
    """Restore the head of a trained model from the JSON of ``OutputHead.as_json``. Raises CapasError
    ``bundle_incomplete``.
    """
    try:
        if spec.task == "tag":
            thresholds = _THRESHOLDS.validate_python(tree["thresholds"])
            return TagsHead(spec.classes, thresholds, TEMPERATURE_ADAPTER.validate_python(tree.get("temperature", 1.0)))
        if spec.task == "regress":
            scales = _SCALES.validate_python(tree["scales"])
            return NumbersHead(spec.targets, scales, _CONFORMAL.validate_python(tree["conformal"]))
        return ClassHead(spec.classes, TEMPERATURE_ADAPTER.validate_python(tree.get("temperature", 1.0)))
    except (KeyError, ValidationError) as error:
        raise CapasError("bundle_incomplete", where=ANSWERS, received=str(error)[:200]) from error


_THRESHOLDS: TypeAdapter[list[float]] = TypeAdapter(list[float])
_SCALES: TypeAdapter[list[TargetScale]] = TypeAdapter(list[TargetScale])
_CONFORMAL: TypeAdapter[list[SplitConformal]] = TypeAdapter(list[SplitConformal])
