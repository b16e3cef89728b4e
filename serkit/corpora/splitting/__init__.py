"""What :mod:`serkit.corpora.protocols` makes its splits with."""
