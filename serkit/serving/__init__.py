"""Prediction with an exported model: on this machine, on a Ray cluster, or by a server."""
