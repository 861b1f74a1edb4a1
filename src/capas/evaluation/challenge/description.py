"""The public description of a challenge: the task, the format of submissions, and the rules."""

from collections.abc import Mapping
from datetime import UTC, datetime

from capas.core.i18n import say
from capas.core.number_format import format_percent
from capas.evaluation.challenge.submissions import Limit


def description(
    title: str, task: str, options: Mapping[str, object], limit: Limit | None, until: datetime | None, share: float
) -> str:
    """Return the page ``README.md`` of the public folder."""
    rules = [say("challenge.rule_inputs"), limit_text(limit), until_text(until),
             say("challenge.rule_share", share=format_percent(share, 0)) if share else say("challenge.rule_no_share"),
             say("challenge.rule_best"), say("challenge.rule_missing"), say("challenge.rule_rank")]  # fmt: skip
    if options:
        stated = ", ".join(f"--{name.replace('_', '-')} {value}" for name, value in sorted(options.items()))
        rules.append(say("challenge.rule_options", options=stated))
    lines = "\n".join(f"- {rule}" for rule in rules)
    return f"# {title}\n\n{form_text(task)}\n\n{lines}\n"


def form_text(task: str) -> str:
    """Return what is to be submitted, and in which format."""
    return {
        "speech": say("challenge.form_speech"),
        "diarization": say("challenge.form_diarization"),
        "classification": say("challenge.form_classification"),
        "detection": say("challenge.form_detection"),
        "segmentation": say("challenge.form_segmentation"),
    }[task]


def limit_text(limit: Limit | None) -> str:
    """Return how often a team may submit."""
    if limit is None:
        return say("challenge.rule_no_limit")
    return say("challenge.rule_total", n=limit.count) if limit.total else say("challenge.rule_day", n=limit.count)


def until_text(until: datetime | None) -> str:
    """Return the deadline."""
    if until is None:
        return say("challenge.rule_no_end")
    return say("challenge.rule_until", until=until.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"))
