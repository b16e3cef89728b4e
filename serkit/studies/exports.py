"""Results of a comparison as CSV, Markdown and LaTeX tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.files import replacing, write_text
from serkit.formatting import markdown_table

_MINUS = "\N{MINUS SIGN}"


def write_tables(results: dict[str, Any], folder: Path) -> None:
    """Write a table of arms for each protocol and classifier.

    Args:
        results: from :func:`serkit.studies.results.make_results`.
        folder: gets ``arms.csv`` with all results, as fractions; and
            ``<protocol>-<classifier>.md`` and ``.tex``, in per cent.
    """
    rows = []
    for protocol, found in results["protocols"].items():
        for classifier, arms in found["classifiers"].items():
            given = protocol, found["leaky"], classifier
            rows += [_flat(*given, name, arm) for name, arm in arms["arms"].items()]
            head, cells = arm_cells(arms["arms"])
            head[0] = "arm, LEAKY" if found["leaky"] else "arm"
            name = f"{protocol}-{classifier}"
            text = [markdown_table(head, cells)]
            head_beside, beside = beside_cells(arms["arms"])
            text += [markdown_table(head_beside, beside)] if beside else []
            write_text(folder / f"{name}.md", "\n".join(text))
            note = "LEAKY: speakers in training and test. " if found["leaky"] else ""
            write_text(folder / f"{name}.tex", latex_table(head, cells, note + protocol))
    with replacing(folder / "arms.csv") as partial:
        pd.DataFrame(rows).to_csv(partial, index=False, lineterminator="\n")


def arm_cells(arms: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of the table of arms, in per cent.

    Args:
        arms: by name, as in ``comparison.json``.
    """
    rare = any("rare_recall" in arm for arm in arms.values())
    head = ["arm", "seeds", "UAR", "difference to none", "p, Holm"]
    head += ["recall of rare classes", "macro F1", "accuracy"] if rare else ["macro F1", "accuracy"]
    measures = ["rare_recall"] if rare else []
    made = any(arm["generated"] for arm in arms.values())
    head += ["generated"] if made else []
    rows = []
    for name, arm in arms.items():
        apart = arm.get("difference")
        compared = [signed_interval(apart["uar"]["estimate"]) if apart else "", ""]
        if apart:
            compared[1] = f"{apart['p_holm']:.3f}"
        others = [per_cent(arm[each]["value"]) for each in (*measures, "macro_f1", "accuracy")]
        if made:
            others.append("" if arm["generated"] is None else f"{arm['generated']:.0f}")
        rows.append([name, str(len(arm["seeds"])), interval(arm["uar"]), *compared, *others])
    return head, rows


def beside_cells(arms: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of differences to ``oversampling``; no rows if no arm has one.

    Args:
        arms: by name, as in ``comparison.json``.
    """
    rows = [
        [name, signed_interval(found["uar"]["estimate"]), f"{found['uar']['p']:.3f}"]
        for name, arm in arms.items()
        if (found := arm.get("beside_copies"))
    ]
    return ["more than oversampling", "UAR", "p"], rows


def interval(found: dict[str, float | None], sign: str = "") -> str:
    """Format a value and its interval in per cent.

    Args:
        found: ``value``, ``low`` and ``high``, as fractions; ``low`` and ``high`` may be None.
        sign: as for :func:`per_cent`.

    Example:
        >>> interval({"value": 0.512, "low": 0.47, "high": 0.553})
        '51.2 [47.0, 55.3]'
    """
    value, low, high = (per_cent(found[end], sign) for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]" if low else value


def signed_interval(found: dict[str, float | None]) -> str:
    """Format a difference and its interval in percentage points, such as ``+1.2 [−0.4, +2.9]``."""
    return interval(found, "+")


def per_cent(fraction: float | None, sign: str = "") -> str:
    """Format a fraction in per cent with one decimal, without the per cent sign.

    Args:
        fraction: the fraction; None gives an empty string.
        sign: ``+`` to show the sign of positive values, too.

    Example:
        >>> per_cent(0.1234), per_cent(0.05, "+"), per_cent(None)
        ('12.3', '+5.0', '')
    """
    return "" if fraction is None else f"{100 * fraction:{sign}.1f}".replace("-", _MINUS)


def latex_table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Return a LaTeX table, which needs the package ``booktabs``."""
    columns = "l" + "r" * (len(head) - 1)
    lines = [
        r"\begin{table}",
        rf"\caption{{{_escaped(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(_escaped, head)) + r" \\",
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


def _flat(
    protocol: str, leaky: bool, classifier: str, name: str, arm: dict[str, Any]
) -> dict[str, Any]:
    row = {"protocol": protocol, "leaky": leaky, "classifier": classifier, "arm": name}
    row |= {"seeds": len(arm["seeds"]), "generated_per_training": arm["generated"]}
    measures = [each for each in ("uar", "rare_recall", "macro_f1", "accuracy") if each in arm]
    for measure in measures:
        row |= {
            f"{measure}_{part}" if part != "value" else measure: value
            for part, value in arm[measure].items()
        }
    row |= {f"recall_{label}": found["value"] for label, found in arm["recalls"].items()}
    apart = arm.get("difference")
    if apart:
        row |= {f"difference_{part}": value for part, value in apart["uar"]["estimate"].items()}
        row |= {"p": apart["uar"]["p"], "p_holm": apart["p_holm"]}
    return row | {"ece": arm["calibration"]["ece"], "validation_uar": arm["validation_uar"]}
