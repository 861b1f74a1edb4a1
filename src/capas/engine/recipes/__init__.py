"""The recipes: a literal table from (task, medium) to the module that implements it."""

import importlib
from typing import cast

from capas.core.errors import CapasError
from capas.core.spec import Medium, Spec, TaskName
from capas.engine.recipe import Recipe

# (task, medium): the module that holds ``recipe``.
RECIPES: dict[tuple[TaskName, Medium], str] = {
    ("classify", "image"): "capas.engine.recipes.single_output.image.recipe",
    ("tag", "image"): "capas.engine.recipes.single_output.image.recipe",
    ("regress", "image"): "capas.engine.recipes.single_output.image.recipe",
    ("classify", "text"): "capas.engine.recipes.single_output.text.recipe",
    ("tag", "text"): "capas.engine.recipes.single_output.text.recipe",
    ("regress", "text"): "capas.engine.recipes.single_output.text.recipe",
    ("classify", "audio"): "capas.engine.recipes.single_output.audio.recipe",
    ("tag", "audio"): "capas.engine.recipes.single_output.audio.recipe",
    ("regress", "audio"): "capas.engine.recipes.single_output.audio.recipe",
    ("classify", "table"): "capas.engine.recipes.single_output.tabular.recipe",
    ("tag", "table"): "capas.engine.recipes.single_output.tabular.recipe",
    ("regress", "table"): "capas.engine.recipes.single_output.tabular.recipe",
    ("label", "tokens"): "capas.engine.recipes.token_classification.recipe",
    ("translate", "text"): "capas.engine.recipes.translation.recipe",
    ("label", "audio"): "capas.engine.recipes.audio_frames.recipe",
    ("label", "image"): "capas.engine.recipes.segmentation.recipe",
    ("transform", "image"): "capas.engine.recipes.restoration.recipe",
    ("embed", "image"): "capas.engine.recipes.embedding.recipe",
    ("embed", "audio"): "capas.engine.recipes.embedding.recipe",
    ("embed", "text"): "capas.engine.recipes.embedding.recipe",
    ("verify", "image"): "capas.engine.recipes.verification.recipe",
    ("verify", "audio"): "capas.engine.recipes.verification.recipe",
    ("generate", "image"): "capas.engine.recipes.generation.recipe",
    ("transcribe", "image"): "capas.engine.recipes.transcription.recipe",
    ("transcribe", "audio"): "capas.engine.recipes.transcription.recipe",
}
# Of one task and medium, but learnt in another way: two collections without pairs.
UNPAIRED_TRANSLATION = "capas.engine.recipes.unpaired_translation.recipe"


def recipe_for(spec: Spec) -> Recipe:
    """Return the recipe for ``spec``. Raises CapasError ``recipe_missing``."""
    return _loaded(UNPAIRED_TRANSLATION) if spec.unpaired else named_recipe(spec.task, spec.medium)


def named_recipe(task: str, medium: str) -> Recipe:
    """Return the recipe for a task and a medium as a card names them. Raises CapasError ``recipe_missing``."""
    for key, module in RECIPES.items():
        if key == (task, medium):
            return _loaded(module)
    known = ", ".join(f"{t} ({m})" for t, m in RECIPES)
    raise CapasError("recipe_missing", where="task", received=f"{task} ({medium})", known=known)


def _loaded(module: str) -> Recipe:
    return cast(Recipe, vars(importlib.import_module(module))["recipe"])
