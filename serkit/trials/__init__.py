"""Set-ups that several experiments share: what is measured, and against what."""
