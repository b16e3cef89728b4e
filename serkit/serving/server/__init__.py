"""A server for machines without TF Serving: its REST interface, and a page to try a model."""
