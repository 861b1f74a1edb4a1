"""One recipe for each kind of problem: a literal table of task and medium."""

import importlib
from typing import cast

from capas.core.errors import CapasError
from capas.core.spec import Medium, Spec, TaskName
from capas.engine.recipe import Recipe

# (task, medium): the module that holds ``recipe``.
RECIPES: dict[tuple[TaskName, Medium], str] = {
    ("classify", "image"): "capas.engine.recipes.pictures",
    ("tag", "image"): "capas.engine.recipes.pictures",
    ("regress", "image"): "capas.engine.recipes.pictures",
    ("classify", "text"): "capas.engine.recipes.texts",
    ("tag", "text"): "capas.engine.recipes.texts",
    ("regress", "text"): "capas.engine.recipes.texts",
    ("classify", "audio"): "capas.engine.recipes.sounds",
    ("tag", "audio"): "capas.engine.recipes.sounds",
    ("regress", "audio"): "capas.engine.recipes.sounds",
    ("classify", "table"): "capas.engine.recipes.rows",
    ("tag", "table"): "capas.engine.recipes.rows",
    ("regress", "table"): "capas.engine.recipes.rows",
    ("label", "tokens"): "capas.engine.recipes.tokens",
    ("translate", "text"): "capas.engine.recipes.translation",
    ("label", "audio"): "capas.engine.recipes.frames",
    ("label", "image"): "capas.engine.recipes.masks",
    ("transform", "image"): "capas.engine.recipes.restoration",
    ("transcribe", "image"): "capas.engine.recipes.transcription",
    ("transcribe", "audio"): "capas.engine.recipes.transcription",
}


def recipe_for(spec: Spec) -> Recipe:
    """How ``spec`` is learnt. Raises CapasError ``recipe_missing``."""
    return named_recipe(spec.task, spec.medium)


def named_recipe(task: str, medium: str) -> Recipe:
    """The recipe for a pair of task and medium as a card names them. Raises CapasError ``recipe_missing``."""
    for key, module in RECIPES.items():
        if key == (task, medium):
            return cast(Recipe, vars(importlib.import_module(module))["recipe"])
    known = ", ".join(f"{t} ({m})" for t, m in RECIPES)
    raise CapasError("recipe_missing", where="task", received=f"{task} ({medium})", known=known)
