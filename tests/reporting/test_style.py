import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from serkit.reporting.figures import colour, legend, tidy


def test_colours_repeat_after_ten():
    assert len({colour(number) for number in range(10)}) == 10
    assert colour(10) == colour(0)


@pytest.mark.parametrize(("count", "inside"), [(4, True), (5, False)])
def test_a_legend_of_many_names_is_beside_the_axes(count, inside):
    figure = Figure(figsize=(5, 4), layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    for number in range(count):
        axes.plot([0, 1], [0, number], label=f"a curve of number {number}")
    legend(figure, axes)
    tidy(axes)
    canvas.draw()
    names, frame = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert (names.x0 < frame.x1) == inside
    assert names.x1 <= figure.bbox.x1
    assert (figure.get_figwidth() == 5) == inside
