"""From a folder, a table or a sample to examples: listed, understood, split, checked, prepared and loaded."""
