import io

import matplotlib.image
import numpy as np
import pytest

from serkit.reporting import gan_figures
from serkit.reporting.page import png

HISTORY = [{"epoch": n, "d_loss": 1.5 - n / 10, "g_loss": 0.5 + n / 5} for n in range(1, 6)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_losses_have_a_panel_per_class_and_fit_into_it(count):
    histories = {f"class {n}": HISTORY for n in range(count)}
    figure = gan_figures.gan_losses(histories)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == list(histories)
    low, high = shown[0].get_ylim()
    assert low == 0
    assert high >= 1.5
    np.testing.assert_allclose(shown[0].lines[0].get_ydata(), [r["d_loss"] for r in HISTORY])


def test_critic_curves_have_a_line_per_run_in_both_panels():
    history = [{"epoch": n, "distance": 9.0 - n, "penalty": 0.5 / n} for n in range(1, 6)]
    other = [{**row, "distance": -row["distance"]} for row in history]
    distance, penalty = gan_figures.critic_curves({"seed 0": history, "seed 1": other}).axes
    assert [text.get_text() for text in distance.get_legend().get_texts()] == ["seed 0", "seed 1"]
    np.testing.assert_allclose(distance.lines[1].get_ydata(), [-8, -7, -6, -5, -4])
    np.testing.assert_allclose(penalty.lines[0].get_ydata(), [r["penalty"] for r in history])
    # Zero is in sight, and so is what lies below it.
    assert distance.get_ylim()[0] < -8 < 0 < distance.get_ylim()[1]
    assert penalty.get_ylim()[0] == 0


def test_real_is_drawn_left_and_generated_right():
    real, made = np.full((2, 8, 8), -1.0), np.full((2, 8, 8), 1.0)
    figure = gan_figures.real_beside_generated({"sad": (real, made), "angry": (real, made)})
    assert len(figure.axes) == 8
    for axes in figure.axes:
        centre = axes.get_position().x0
        assert axes.images[0].get_array().mean() == (-1 if centre < 0.5 else 1)


def _marked(stages) -> tuple[list[list[float]], list[str]]:
    """Where lines stand upright, and what is written into the panel."""
    history = [
        row if stage is None else {**row, "stage": stage}
        for row, stage in zip(HISTORY, stages, strict=True)
    ]
    (axes,) = gan_figures.gan_losses({"sad": history}).axes
    upright = [line.get_xdata() for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    return [list(places) for places in upright], [text.get_text() for text in axes.texts]


def test_a_change_of_discriminator_is_marked_between_two_epochs():
    assert _marked([0, 0, 0, 1, 1]) == ([[3.5, 3.5]], ["next discriminator"])
    assert _marked([0, 1, 1, 2, 2]) == ([[1.5, 1.5], [3.5, 3.5]], ["next discriminator"] * 2)


def test_no_mark_without_a_change_of_discriminator():
    assert _marked([None] * 5) == _marked([1] * 5) == ([], [])


@pytest.mark.parametrize("columns", [2, 8])
def test_pictures_lie_side_by_side_from_the_upper_left(rng, columns):
    pictures = rng.uniform(-0.5, 0.5, (2 * columns - 1, 5, 4))
    figure = gan_figures.grid(pictures, columns)
    places = []
    for axes, picture in zip(figure.axes, pictures, strict=False):
        (image,) = axes.images
        np.testing.assert_array_equal(image.get_array(), picture.T)
        # Low frequencies at the bottom; the same colours for quiet pictures as for loud ones.
        assert (image.origin, image.get_clim()) == ("lower", (-1, 1))
        box = axes.get_position()
        places.append((-round(box.y0, 6), round(box.x0, 6)))
    assert places == sorted(set(places))
    assert len({row for row, _ in places}) == 2
    # The place that is left over shows nothing.
    (left,) = figure.axes[len(pictures) :]
    assert not left.images
    assert not left.axison


def test_a_single_picture_becomes_a_file_of_the_same_bytes_each_time(rng):
    picture = rng.uniform(-1, 1, (1, 5, 4))
    first, second = (png(gan_figures.grid(picture)) for _ in range(2))
    assert first == second
    height, width, _ = matplotlib.image.imread(io.BytesIO(first)).shape
    assert width == pytest.approx(8 * height, rel=0.02)
