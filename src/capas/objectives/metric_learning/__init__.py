"""Learning embeddings in which examples of the same identity are close: losses, and the objective that uses one."""
