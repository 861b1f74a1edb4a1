"""Parts that several recipes use: items, batches, forward passes, spectrograms, image stores, export inputs."""
