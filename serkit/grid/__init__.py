"""Pieces of work that wait for each other, done here one after the other, or on a Ray cluster."""
