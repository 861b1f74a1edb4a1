"""Output heads: what the network's outputs mean, for classes, tags and numbers."""
