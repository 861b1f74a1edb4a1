"""What every other part stands on; imports nothing else of Capas."""
