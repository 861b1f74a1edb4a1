"""Learning representations without labels: each method's pretext task and its loss."""
