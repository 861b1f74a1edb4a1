"""Checks of configuration values."""


def check_at_least_one(**values: int) -> None:
    """Raises ValueError that names the first of the ``values`` that is below 1."""
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; expected 1 or more")
