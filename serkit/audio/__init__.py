"""Waveforms and spectrograms: TensorFlow ops only, usable inside any graph."""
