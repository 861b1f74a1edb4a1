"""What trained models draw: images edited through their latents."""
