"""Image-to-image problems: restoration, super-resolution, inpainting, colourisation."""
