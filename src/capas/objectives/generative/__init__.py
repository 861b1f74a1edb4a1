"""How networks that make data learn."""
