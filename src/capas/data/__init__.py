"""Data: sources, inspection, splits, preprocessing, augmentation, and batches for training."""
