"""Write the results of a comparison as CSV, Markdown and LaTeX tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.files import replacing, write_text
from serkit.formatting import markdown_table
from serkit.reporting.verdicts import mark_of

_MINUS = "\N{MINUS SIGN}"


def write_tables(results: dict[str, Any], folder: Path) -> None:
    """Write a table of arms for each protocol and classifier.

    Args:
        results: from :func:`serkit.studies.results.make_results`.
        folder: gets ``arms.csv`` with all results, as fractions; and
            ``<protocol>-<classifier>.md`` and ``.tex``, in per cent. With several classifiers also
            ``<protocol>.md``, their differences.
    """
    csv_rows = []
    for protocol, protocol_results in results["protocols"].items():
        mark = mark_of(protocol_results)
        if protocol_results.get("between_classifiers"):
            table = markdown_table(*classifiers_table(protocol_results))
            write_text(folder / f"{protocol}.md", table)
        for classifier, classifier_results in protocol_results["classifiers"].items():
            arms = classifier_results["arms"]
            csv_rows += [
                _csv_row(protocol, protocol_results, classifier, name, arm)
                for name, arm in arms.items()
            ]
            header, rows = arms_table(arms)
            header[0] = f"arm, {mark}" if mark else "arm"
            tables = [markdown_table(header, rows)]
            oversampling_header, oversampling_rows = oversampling_table(arms)
            if oversampling_rows:
                tables.append(markdown_table(oversampling_header, oversampling_rows))
            file_name = f"{protocol}-{classifier}"
            write_text(folder / f"{file_name}.md", "\n".join(tables))
            is_leaky = protocol_results["leaky"]
            note = f"{mark}: speakers in training and test. " if is_leaky else mark and f"{mark}. "
            write_text(folder / f"{file_name}.tex", latex_table(header, rows, note + protocol))
    with replacing(folder / "arms.csv") as partial:
        pd.DataFrame(csv_rows).to_csv(partial, index=False, lineterminator="\n")


def arms_table(arms: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of the table of arms, in per cent.

    Args:
        arms: by name, as in ``comparison.json``.
    """
    measures = {"macro_f1": "macro F1", "accuracy": "accuracy"}
    if any("rare_recall" in arm for arm in arms.values()):
        measures = {"rare_recall": "recall of rare classes", **measures}
    has_generated = any(arm["generated"] for arm in arms.values())
    header = ["arm", "seeds", "UAR", "difference to none", "p, Holm", *measures.values()]
    if has_generated:
        header.append("generated")
    rows = []
    for name, arm in arms.items():
        difference_cells = ["", ""]
        if difference := arm.get("difference"):
            difference_cells = [
                format_signed_interval(difference["uar"]["estimate"]),
                f"{difference['p_holm']:.3f}",
            ]
        measure_cells = [format_per_cent(arm[measure]["value"]) for measure in measures]
        if has_generated:
            generated = arm["generated"]
            measure_cells.append("" if generated is None else f"{generated:.0f}")
        seed_count = str(len(arm["seeds"]))
        uar = format_interval(arm["uar"])
        rows.append([name, seed_count, uar, *difference_cells, *measure_cells])
    return header, rows


def oversampling_table(arms: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of differences to ``oversampling``; no rows if no arm has one.

    Args:
        arms: by name, as in ``comparison.json``.
    """
    rows = [
        [
            name,
            format_signed_interval(difference["uar"]["estimate"]),
            f"{difference['uar']['p']:.3f}",
        ]
        for name, arm in arms.items()
        if (difference := arm.get("beside_copies"))
    ]
    return ["more than oversampling", "UAR", "p"], rows


def classifiers_table(protocol_results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of the table of all classifiers beside the first, in per cent.

    Args:
        protocol_results: results of a protocol with ``between_classifiers``, as in
            ``comparison.json``.
    """
    classifiers, between = protocol_results["classifiers"], protocol_results["between_classifiers"]
    rows = [
        [
            row["classifier"],
            row["arm"],
            *(
                format_interval(classifiers[row[name]]["arms"][row["arm"]]["uar"])
                for name in ("classifier", "minus")
            ),
            format_signed_interval(row["uar"]["estimate"]),
            f"{row['p_holm']:.3f}",
            row["conclusion"],
        ]
        for row in between
    ]
    first = next(iter(classifiers))
    mark = mark_of(protocol_results)
    columns = ["arm", "UAR", f"UAR of {first}", "difference", "p, Holm", ""]
    return [f"classifier, {mark}" if mark else "classifier", *columns], rows


def format_interval(estimate: dict[str, float | None], sign: str = "") -> str:
    """Format a value and its interval in per cent.

    Args:
        estimate: ``value``, ``low`` and ``high``, as fractions; ``low`` and ``high`` may be None.
        sign: as for :func:`format_per_cent`.

    Example:
        >>> format_interval({"value": 0.512, "low": 0.47, "high": 0.553})
        '51.2 [47.0, 55.3]'
    """
    value, low, high = (format_per_cent(estimate[end], sign) for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]" if low else value


def format_signed_interval(estimate: dict[str, float | None]) -> str:
    """Format a difference and its interval in percentage points, such as ``+1.2 [−0.4, +2.9]``."""
    return format_interval(estimate, "+")


def format_per_cent(fraction: float | None, sign: str = "") -> str:
    """Format a fraction in per cent with one decimal, without the per cent sign.

    Args:
        fraction: the fraction; None gives an empty string.
        sign: ``+`` to show the sign of positive values, too.

    Example:
        >>> format_per_cent(0.1234), format_per_cent(0.05, "+"), format_per_cent(None)
        ('12.3', '+5.0', '')
    """
    return "" if fraction is None else f"{100 * fraction:{sign}.1f}".replace("-", _MINUS)


def latex_table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Return a LaTeX table, which needs the package ``booktabs``."""
    columns = "l" + "r" * (len(header) - 1)
    lines = [
        r"\begin{table}",
        rf"\caption{{{_escaped(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(_escaped, header)) + r" \\",
        r"\midrule",
        *(" & ".join(map(_escaped, row)) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    for character in "&%_#$":
        text = text.replace(character, "\\" + character)
    return text.replace(_MINUS, "$-$")


def _csv_row(
    protocol: str,
    protocol_results: dict[str, Any],
    classifier: str,
    name: str,
    arm: dict[str, Any],
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "protocol": protocol,
        "leaky": protocol_results["leaky"],
        **({"transductive": True} if protocol_results.get("transductive") else {}),
        "classifier": classifier,
        "arm": name,
    }
    row |= {"seeds": len(arm["seeds"]), "generated_per_training": arm["generated"]}
    for measure in ("uar", "rare_recall", "macro_f1", "accuracy"):
        for key, value in arm.get(measure, {}).items():
            row[measure if key == "value" else f"{measure}_{key}"] = value
    row |= {f"recall_{label}": recall["value"] for label, recall in arm["recalls"].items()}
    if difference := arm.get("difference"):
        uar = difference["uar"]
        row |= {f"difference_{key}": value for key, value in uar["estimate"].items()}
        row |= {"p": uar["p"], "p_holm": difference["p_holm"]}
    return row | {"ece": arm["calibration"]["ece"], "validation_uar": arm["validation_uar"]}
