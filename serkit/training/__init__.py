"""What every training needs, GAN or classifier: exact resume, the history, Keras metrics."""
