"""What a transcribed page is, and the standards it is written in; imports only ``core``."""
