"""Validation of the temperature in a bundle: a number above 0."""

from typing import Annotated

from pydantic import Field, TypeAdapter

TEMPERATURE_ADAPTER: TypeAdapter[float] = TypeAdapter(Annotated[float, Field(gt=0)])
