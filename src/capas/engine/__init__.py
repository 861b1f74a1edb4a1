"""Training, testing and inference: where data, network and objective meet."""
