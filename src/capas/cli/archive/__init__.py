"""The verbs of ``capas archive``."""
