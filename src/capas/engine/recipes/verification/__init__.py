"""Same identity or not: images, and sounds as spectrograms."""
