"""Bayesian Keras 3 layers: weights that are distributions, over tfp.distributions."""
