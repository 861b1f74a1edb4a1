"""Networks that make data."""
