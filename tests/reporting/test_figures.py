import numpy as np

from serkit.reporting import figures
from serkit.reporting.page import png

HISTORY = [
    {"epoch": n, "d_loss": 1.5 - n / 10, "g_loss": 0.5 + n / 5, "uar": n / 9, "val_uar": n / 10}
    for n in range(1, 6)
]


def test_balance_shows_every_class_and_both_numbers():
    figure = figures.balance({"sad": 40, "surprise": 4}, {"surprise": 36})
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["surprise", "sad"]
    assert {text.get_text() for text in axes.texts} == {"40", "4 + 36"}
    assert axes.patches[2].get_x() + axes.patches[2].get_width() <= 40


def test_spectrogram_axes_are_in_seconds_and_hertz(rng):
    frequencies = np.geomspace(30, 8000, 50)
    figure = figures.waveform_and_spectrogram(
        rng.normal(size=16_000), 16_000, rng.uniform(-1, 1, (60, 50)), 1.0, frequencies, "", "log"
    )
    lower = figure.axes[1]
    assert lower.get_xlim() == (0, 1)
    labels = [label.get_text() for label in lower.get_yticklabels()]
    assert labels[-1] == "8,000"
    assert lower.get_ylabel() == "Hz (log scale)"
    image = lower.images[0]
    assert image.origin == "lower"
    assert image.get_array().shape == (50, 60)


def test_confusion_writes_the_counts_where_they_belong():
    figure = figures.confusion([[3, 1], [0, 0]], ["sad", "angry"], "title")
    cells = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert cells == {(0, 0): "3", (1, 0): "1"}


def test_equal_figures_are_equal_bytes():
    first, second = (png(figures.balance({"sad": 4})) for _ in range(2))
    assert first == second
    assert first.startswith(b"\x89PNG")
