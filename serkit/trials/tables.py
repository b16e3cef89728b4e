"""Rows of numbers as a Markdown table, as they stand in the documentation."""

from collections.abc import Mapping, Sequence

from serkit.evaluation.metrics import Scores
from serkit.markdown import markdown_table

_MINUS = "\N{MINUS SIGN}"


def fidelity_table(rows: Sequence[Mapping]) -> str:
    """What :meth:`serkit.trials.rare_classes.RareClasses.fidelity` gives, as Markdown.

    KID has its standard error; FID is in brackets where there are too few samples for it to mean
    something.
    """
    head = ["", "samples", "KID", "FID", "precision", "recall", "density", "coverage"]
    head += ["copying, Z", "near-copies", "refused"]
    return markdown_table(head, [_cells(row) for row in rows])


def nearest_table(rows: Sequence[Mapping]) -> str:
    """What :meth:`serkit.trials.rare_classes.RareClasses.nearest` gives, as Markdown."""
    columns = "least", "lowest", "median"
    head = ["to the nearest training clip, as pictures", "clips", "least", "5 %", "median"]
    cells = [[row["set"], str(row["count"]), *(f"{row[c]:.2f}" for c in columns)] for row in rows]
    return markdown_table(head, cells)


def accuracy_table(classes: Sequence[str], label: str, scores: Mapping[str, Scores]) -> str:
    """Classification accuracy scores as Markdown: what a classifier learns a class from.

    Args:
        classes: names of all classes.
        label: the class that is learned from something else than its real clips.
        scores: by what it is learned from, on the real test clips.
    """
    number = classes.index(label)
    rows = [
        [name, *(f"{100 * value:.1f} %" for value in (s.recalls[number], s.uar, s.accuracy))]
        for name, s in scores.items()
    ]
    return markdown_table([f"{label} from", "its recall", "UAR", "accuracy"], rows)


def _cells(row: Mapping) -> list[str]:
    fid = f"{row['fid']:.0f}"
    shares = [f"{row[name]:.2f}" for name in ("precision", "recall", "density", "coverage")]
    return [
        row["set"],
        str(row["count"]),
        f"{_signed(row['kid'])} ± {row['kid_error']:.2f}",
        fid if row["fid_reliable"] else f"({fid})",
        *shares,
        "" if row["copying"] is None else _signed(row["copying"], 1),
        *(f"{100 * row[name]:.0f} %" for name in ("copies", "refused")),
    ]


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace("-", _MINUS)
