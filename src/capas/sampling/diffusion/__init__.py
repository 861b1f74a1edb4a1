"""Diffusion: schedules of noise, what networks predict of it, and samplers that take it away again."""
