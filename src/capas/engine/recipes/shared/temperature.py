"""TODO docstring."""

from typing import Annotated

from pydantic import Field, TypeAdapter

TEMPERATURE_ADAPTER: TypeAdapter[float] = TypeAdapter(Annotated[float, Field(gt=0)])
