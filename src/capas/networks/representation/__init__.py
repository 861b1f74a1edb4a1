"""Networks that serve learning representations without labels."""
