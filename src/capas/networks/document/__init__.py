"""Networks for document pages and lines of writing."""
