"""Tasks that need other tasks, run here one after the other, or on a Ray cluster."""
