import numpy as np
import pytest

from serkit.reporting.page import png
from serkit.reporting.spectrogram_figures import grey_levels, spectrogram_figure, waveform_figure

MEL = 700 * (10 ** (np.linspace(60, 2800, 90) / 2595) - 1)


@pytest.fixture
def picture(rng):
    return rng.uniform(-1, 1, (60, 90))


def test_a_waveform_is_drawn_in_seconds_and_full_scale():
    wave = np.zeros(3000)
    wave[1000:2000] = 0.5
    figure = waveform_figure(wave, 1000, "be$p" + 60 * "x")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("seconds", "amplitude (1 is full scale)")
    (line,) = axes.lines
    drawn = [x for x, y in zip(*line.get_data(), strict=True) if y > 0.4]
    assert (min(drawn), max(drawn)) == pytest.approx((1.0, 2.0), abs=0.01)
    assert axes.get_title().startswith("be$p")
    assert len(axes.get_title()) == 49
    assert png(figure).startswith(b"\x89PNG")


def test_axes_are_in_seconds_and_hertz_and_colours_in_decibels(picture):
    figure = spectrogram_figure(picture, (-0.5, 2.0), MEL, 80.0, "a clip", "mel")
    axes, bar = figure.axes
    assert axes.get_title() == "a clip"
    assert axes.get_xlabel() == "seconds"
    assert axes.get_ylabel() == "Hz (mel scale)"
    assert axes.get_xlim() == (-0.5, 2.0)
    assert {"0", "1", "2"} <= {
        label.get_text().removesuffix(".0") for label in axes.get_xticklabels()
    }
    assert bar.get_ylabel() == "dB below the maximum"
    assert bar.get_ylim() == (-80, 0)
    (image,) = axes.collections
    shown = np.asarray(image.get_array()).reshape(90, 60)
    np.testing.assert_allclose(shown, 40 * (picture.T - 1))
    corners = image.get_coordinates()
    assert corners[0, 0].tolist() == [-0.5, 0.0]
    assert corners[-1, -1].tolist() == [2.0, 90.0]


@pytest.mark.parametrize(
    ("frequencies", "expected"),
    [
        (MEL, ["200", "500", "1,000", "2,000", "4,000"]),
        (np.linspace(0, 8000, 90), [f"{mark:,}" for mark in range(0, 8001, 1000)]),
        (np.geomspace(25, 6000, 90), ["50", "100", "200", "500", "1,000", "2,000", "4,000"]),
    ],
)
def test_ticks_are_at_the_bins_of_their_frequency(picture, frequencies, expected):
    axes = spectrogram_figure(picture, (0, 1), frequencies, 80.0, "").axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert set(expected) <= set(labels)
    for place, label in zip(axes.get_yticks(), labels, strict=True):
        # A bin's centre is half a step above its lower edge.
        nearest = np.abs(frequencies - float(label.replace(",", ""))).argmin()
        assert place == pytest.approx(nearest + 0.5, abs=0.51)
    assert np.diff(axes.get_yticks()).min() >= 0.04 * 90


def test_everything_lies_inside_the_figure(picture):
    figure = spectrogram_figure(picture, (0, 3.6), MEL, 80.0, "W" * 300, "mel")
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    width, height = figure.get_size_inches()
    assert box.x1 <= width
    assert box.y1 <= height


def test_a_dollar_sign_in_a_title(picture):
    png(spectrogram_figure(picture, (0, 1), MEL, 80.0, r"a$b_$c$\bad"))


def test_grey_levels_are_lighter_where_louder_with_low_frequencies_at_the_bottom():
    picture = np.full((4, 3), -1.0)
    picture[0, 0] = 1.0
    picture[3, 1] = 0.0
    levels = grey_levels(picture)
    assert levels.dtype == np.uint8
    assert levels.tolist() == [[0, 0, 0, 0], [0, 0, 0, 128], [255, 0, 0, 0]]
    # Rounding of a network's output may lie a little outside.
    assert grey_levels(np.array([[1.01, -1.01]])).tolist() == [[0], [255]]
