"""Label quality: out-of-sample probabilities and confident learning."""
