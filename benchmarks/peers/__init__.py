"""The contestants of ``make bench faster-than-loops``: each trains the same network its own usual way."""
