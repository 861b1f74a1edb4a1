"""Explanations: saliency maps, attention, feature ablation, and the checks of their faithfulness."""
