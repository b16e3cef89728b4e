"""What the figures have in common."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

REAL, GENERATED = "#2563a8", "#d97706"
CORPORA = ("#2563a8", "#d97706", "#4d8c57", "#8a5a9e", "#b0413e", "#5f6b76")
"""Colours of corpora, in turn."""
_MORE = (*CORPORA, "#2f9aa0", "#c26ba0", "#8c7a2b", "#222222")
_MOST_INSIDE, _BESIDE = 4, 2.6
_INK = "#444444"


def colour(number: int) -> str:
    """One of ten colours for curves in turn."""
    return _MORE[number % len(_MORE)]


def legend(figure: Figure, axes: Axes) -> None:
    """Names of curves in the upper left corner, or beside them where they are too many for that."""
    style = {"frameon": False, "fontsize": 8, "loc": "upper left"}
    if len(axes.get_legend_handles_labels()[1]) <= _MOST_INSIDE:
        axes.legend(**style)
        return
    figure.set_figwidth(figure.get_figwidth() + _BESIDE)
    axes.legend(bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0, **style)


def tidy(axes: Axes) -> None:
    """Remove the frame's upper and right side, and take the ink back."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_INK)
    axes.tick_params(colors=_INK, labelsize=8)
