"""The steps of :func:`serkit.corpora.audit.audit`."""
