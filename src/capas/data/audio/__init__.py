"""Audio data: reading and resampling, mel spectrograms, augmentation, and labelled segments."""
