"""Numbers that say how good a classifier is, and how sure one may be of them."""
