"""Two collections of images without pairs, each translated into the other."""
