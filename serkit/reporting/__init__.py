"""Figures, tables, verdicts and the report page, from numbers computed elsewhere."""
