"""What the names of recordings end in; what is in a file, its own bytes say."""

READ = frozenset({".wav", ".flac", ".mp3", ".ogg"})
"""Suffixes of what serkit decodes."""
LOSSY = frozenset({".mp3", ".ogg"})
"""Those of them that are not what was recorded to the bit."""
AUDIO = READ | {".aif", ".aiff", ".m4a"}
"""Suffixes of what is looked at, so that nobody misses it unknowingly."""
SUFFIX = r"\.(?:wav|flac|mp3|ogg)"
""":data:`READ` as a regular expression."""
