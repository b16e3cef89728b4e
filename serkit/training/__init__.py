"""What every training run needs, GAN or classifier: data, exact resume, callbacks."""
