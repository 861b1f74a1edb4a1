"""Learning to embed without labels: images, and sounds as spectrograms."""
