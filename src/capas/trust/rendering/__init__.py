"""Rendering of the trust report: blocks, HTML page, SVG plots and images with heatmaps."""
