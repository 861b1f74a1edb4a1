"""Networks that turn contents into vectors: what one is, and models in Hugging Face's format."""
