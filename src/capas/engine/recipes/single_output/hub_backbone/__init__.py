"""Models in Hugging Face's format as frozen backbones: every example is encoded once, a head learns on the vectors."""
