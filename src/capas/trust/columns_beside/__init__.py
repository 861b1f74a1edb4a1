"""The audit of models that take pictures or sounds together with the columns of a table."""
