"""What memory is left."""

from capas.core.memory import available_memory


def test_memory_is_known() -> None:
    assert 1 << 20 < available_memory() < 1 << 50
