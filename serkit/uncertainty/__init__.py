"""How sure a classifier is, by several answers of its own or of several classifiers."""
