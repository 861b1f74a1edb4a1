"""How far a finished model can be trusted: evidence in nine themes, a report, and what ``predict`` refuses by."""
