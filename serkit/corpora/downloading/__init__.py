"""The steps of :func:`serkit.corpora.download.download`."""
