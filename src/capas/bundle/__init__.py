"""The bundle of a trained model: safetensors, a JSON card and the preprocessing; never a pickle."""
