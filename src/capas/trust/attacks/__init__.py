"""Adversarial attacks: FGSM, PGD, AutoAttack, Square Attack, adversarial patches, and their sanity checks."""
