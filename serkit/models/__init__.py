"""Networks that classify the emotion in a spectrogram, and their training."""
