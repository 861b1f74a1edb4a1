"""Audio segmentation: a class for every frame of a recording."""
