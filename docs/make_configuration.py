"""Writes ``configuration.md`` from the models of ``capas.engine.config``: ``python docs/make_configuration.py``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from capas.engine.config import Config, ConfigSection
from capas.engine.recipes.single_output.image.defaults import (
    MAX_DEFAULT_SIDE,
    MAX_TRANSFER_EXAMPLES,
    WIDE_NETWORK_EXAMPLES,
)

PAGE = Path(__file__).parent / "configuration.md"
HEAD = """# Configuration

Everything that decides a training stands in one file. `capas plan DATA -o plan.toml` writes it complete, with the value
that Capas would choose for every key; `capas train plan.toml` runs it; every run keeps its own as `config.toml`. On the
command line `--set section.key=value` changes any key, as often as you like:

```
capas train my-folder --set train.epochs=20 --set augment.flip=false
```

A value of `auto` is decided from your data and your machine, and the decision is told with its reason. What you set
yourself is never changed. A key that does not exist is an error that names the nearest one that does, and so is a value
out of range.

Several keys have an option of their own: `--task`, `--target` and `--group` (section `data`), `--network`
(`network.name`), `--time` (`train.time_s` and `trust.time_s`), `--seed` (`train.seed`), `--report` (`trust.report`),
`--method` and `--unlabelled` (section `method`).

*This page is made from the program's own definitions by `docs/make_configuration.py`; a test compares the two.*
"""
RULES = f"""## How `auto` is decided

The rules are few and stand in `engine/defaults.py`; *n* are the training examples. `capas plan` shows what comes of them.

| key | rule |
|---|---|
| `network.name` | `efficientnet-lite0` for colour photographs (median side of 48 pixels or more) when *n* is at most {MAX_TRANSFER_EXAMPLES} and its weights are installed; else `compact` |
| `network.width` | the network's own; half of it when *n* is below {WIDE_NETWORK_EXAMPLES} |
| `network.flip_tta` | where training pictures are mirrored |
| `data.image_size` | the median side, within what suits the network; at most {MAX_DEFAULT_SIDE} for networks of small pictures |
| `data.fit` | `squash` where pictures are nearly square, else `crop` |
| `augment.flip` | not where the name of a class is a sign (a digit, a letter) or speaks of a side |
| `augment.colour` | not for grey pictures |
| `augment.cutout` | not below 16 pixels |
| `train.batch_size` | the power of two at or below *n*/40, within limits |
| `train.epochs` | the more, the fewer examples there are |
| `optim.*` | SGD with a rate in proportion to the batch for networks with normalisation that start from scratch; else AdamW |
| `execution.*` | the fastest of all ways, measured; bfloat16 only where the processor has it and its gradient agrees with float32's |
"""  # noqa: E501

# What the definitions leave unsaid; a key that is explained in neither place makes this script fail.
MEANINGS = {
    "data.source": "a folder, a table, or `sample:NAME`",
    "data.target": "the column to predict; not set: Capas finds it",
    "data.task": "what to predict; not set: Capas finds it",
    "objective.label_smoothing": "share of the wanted probability that is spread over the other classes",
    "objective.class_weights": "`balanced`: a rare class counts more, in inverse proportion to how common it is",
    "optim.optimizer": "stochastic gradient descent with momentum, or AdamW",
    "optim.weight_decay": "how strongly weights are drawn towards zero",
    "optim.schedule": "one-cycle: the rate rises, then falls to nearly nothing",
    "train.batch_size": "examples per step",
    "train.seed": "seed of all chance",
    "execution.device": "`cpu`, `cuda`, `mps`; `capas doctor` lists those of this machine",
    "execution.precision": "of the numbers that the network computes with",
    "execution.memory_format": "how pictures lie in memory",
    "execution.threads": "processor threads",
}


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(name, model) for name, model in Config()), RULES]).rstrip() + "\n"


def _section(name: str, model: ConfigSection) -> str:
    rows = [_row(name, key, info) for key, info in type(model).model_fields.items()]
    head = ["| key | values | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {name}", "", (type(model).__doc__ or "").strip(), "", *head, *rows, ""])


def _row(section: str, key: str, info: FieldInfo) -> str:
    default = "the data you name" if (section, key) == ("data", "source") else _shown(info.default)
    cells = [f"`{key}`", _values(info), default, info.description or MEANINGS[f"{section}.{key}"]]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(value: object) -> str:
    if value is None or value == "":
        return "not set"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _values(info: FieldInfo) -> str:
    return ", ".join([" or ".join(dict.fromkeys(_kinds(info.annotation))), *_limits(info.metadata)])


def _kinds(annotation: object) -> list[str]:
    if annotation is type(None):
        return []
    if get_origin(annotation) is Literal:
        return [f"`{value}`" for value in get_args(annotation)]
    if get_origin(annotation) is Annotated:
        kind, *further = get_args(annotation)
        limits = [limit for part in further for limit in _limits(getattr(part, "metadata", [part]))]
        return [" ".join([*_kinds(kind), " and ".join(limits)])]
    if get_args(annotation):
        return [kind for part in get_args(annotation) for kind in _kinds(part)]
    names: dict[object, str] = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
    return [names[annotation]]


def _limits(metadata: Iterable[object]) -> list[str]:
    limits = []
    for limit in metadata:
        match limit:
            case Ge(ge=bound):
                limits.append(f"≥ {bound}")
            case Gt(gt=bound):
                limits.append(f"> {bound}")
            case Le(le=bound):
                limits.append(f"≤ {bound}")
            case Lt(lt=bound):
                limits.append(f"< {bound}")
    return limits


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
