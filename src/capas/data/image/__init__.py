"""Image data: reading, preprocessing, augmentation, masks, colour spaces, degradations, and the image store."""
