"""What pydantic expected of a value, in the user's language."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic_core import ErrorDetails

from capas.core.i18n import say
from capas.core.number_format import format_decimal

_KINDS: Final[Mapping[str, str]] = {
    "int_parsing": "reasons.whole_number", "int_type": "reasons.whole_number", "int_from_float": "reasons.whole_number",
    "float_parsing": "reasons.number", "float_type": "reasons.number", "finite_number": "reasons.number",
    "bool_parsing": "reasons.true_or_false", "bool_type": "reasons.true_or_false", "string_type": "reasons.text",
}  # fmt: skip
_BOUNDS: Final[Mapping[str, str]] = {
    "gt": "reasons.more_than", "ge": "reasons.at_least", "lt": "reasons.less_than", "le": "reasons.at_most",
}  # fmt: skip


def value_reasons(errors: Sequence[ErrorDetails]) -> str:
    """Return what was expected of one value: the words that it may be, or what else, joined by "or".

    >>> from pydantic import TypeAdapter, ValidationError
    >>> from typing import Literal
    >>> try:
    ...     _ = TypeAdapter(Literal["auto"] | int).validate_python("x")
    ... except ValidationError as error:
    ...     print(value_reasons(error.errors()))
    “auto” or a whole number
    """
    words, others = list[str](), list[str]()
    for error in errors:
        context = error.get("ctx", {})
        bound = next((name for name in _BOUNDS if name in context), None)
        if error["type"] == "literal_error":
            words += [word for word in str(context["expected"]).replace(" or ", ", ").split(", ") if word not in words]
        elif error["type"] in _KINDS:
            others.append(say(_KINDS[error["type"]]))
        elif bound is not None:
            others.append(say(_BOUNDS[bound], value=_number(context[bound])))
        else:
            others.append(str(error["msg"]))
    named = [say("reasons.word", word=word.strip("'")) for word in words]
    return f" {say('reasons.or')} ".join([", ".join(named)] * bool(named) + list(dict.fromkeys(others)))


def _number(value: object) -> str:
    text = f"{value:g}" if isinstance(value, int | float) else str(value)
    decimals = len(text.partition(".")[2])
    return format_decimal(float(text), decimals) if isinstance(value, int | float) and "e" not in text else text
