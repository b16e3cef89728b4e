"""Generative adversarial networks for the spectrograms of rare classes."""
