"""Arrays on disk, known by content: computed once, shared by runs, believed only if whole."""
