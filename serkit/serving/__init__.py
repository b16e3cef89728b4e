"""Prediction with an exported model: at hand, or with a client and a server."""
