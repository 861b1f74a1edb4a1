"""Layout of lines: coordinates along baselines, line images, reading order, regions."""
