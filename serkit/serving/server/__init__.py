"""``serkit serve``: a REST server for machines without TF Serving, with a page to try a model."""
