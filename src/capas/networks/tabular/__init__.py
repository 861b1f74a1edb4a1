"""Networks for rows of a table."""
