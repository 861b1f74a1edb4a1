"""The finished model: safetensors + a JSON card + how inputs are prepared; never a pickle."""
