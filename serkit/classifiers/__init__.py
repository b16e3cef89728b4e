"""Networks that name the emotion in a spectrogram, and their training."""
