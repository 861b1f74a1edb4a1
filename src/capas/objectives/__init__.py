"""Training objectives: the loss of each supervised task."""
