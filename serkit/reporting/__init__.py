"""Figures and the report page. Figures are drawn from numbers; nothing is computed here."""
