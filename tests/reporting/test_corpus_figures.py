import numpy as np
import pandas as pd
import pytest

from serkit.reporting.corpus_figures import clips_by_class, durations, levels, prosody_by_class
from serkit.reporting.page import png

CLIPS = pd.DataFrame(
    [
        *([("a", "sad", "male_sad", 2.0)] * 3),
        *([("b", "sad", "male_sad", 3.0)] * 2),
        *([("b", "sad", "", 100.0)] * 1),
    ],
    columns=["corpus", "emotion", "gender_emotion", "duration"],
)


def test_classes_are_stacked_by_corpus_the_rarest_on_top():
    (axes,) = clips_by_class(CLIPS).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["male_sad", "sad"]
    widths = [[bar.get_width() for bar in container] for container in axes.containers]
    assert widths == [[3, 0], [2, 1]]
    assert [text.get_text() for text in axes.texts] == ["5", "1"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


def test_durations_have_a_panel_per_corpus_and_count_every_clip():
    panels = durations(CLIPS).axes
    assert [sum(bar.get_height() for bar in axes.patches) for axes in panels] == [3, 3]
    assert panels[1].get_title(loc="left").startswith("b: 3 clips, 3.0 to 100.0 s, median 3.0 s")


def test_levels_are_decibels_of_full_scale():
    panels = levels(CLIPS.assign(rms=[0.1, 0.01, 0.1, 1.0, 0.001, 0.01])).axes
    assert [sum(bar.get_height() for bar in axes.patches) for axes in panels] == [3, 3]
    title = panels[1].get_title(loc="left")
    assert title == "b: 3 clips, -60.0 to 0.0 dB, median -40.0 dB (dashed)"
    low, high = panels[0].get_xlim()
    assert low < -60
    assert high > 0


@pytest.mark.parametrize("draw", [clips_by_class, durations])
def test_many_corpora_and_clips_can_be_drawn(draw):
    rng = np.random.default_rng(0)
    clips = pd.concat([CLIPS.assign(corpus=f"c{n}") for n in range(9)])
    clips["duration"] = rng.uniform(0.1, 9, len(clips))
    assert png(draw(clips)).startswith(b"\x89PNG")


def _prosody(rows) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["corpus", "gender", "emotion", "f0_hz"])
    return table.assign(level_db=-30.0, voiced_fraction=0.7, syllables_per_second=np.nan)


def test_prosody_has_a_row_of_panels_per_corpus_and_a_median_per_class_and_gender():
    rows = [("a", "female", "sad", f0) for f0 in (200, 210, 260)]
    rows += [("a", "male", "sad", 100), ("a", "male", "cost$", 120), ("b", "", "cost$", np.nan)]
    figure = prosody_by_class(_prosody(rows), ("sad", "cost$"))
    assert len(figure.axes) == 2 * 4
    first = figure.axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["sad", r"cost\$"]
    nameless, female, male = (container.lines[0].get_xdata() for container in first.containers)
    np.testing.assert_array_equal(female, [210, np.nan])
    np.testing.assert_array_equal(male, [100, 120])
    assert np.isnan(nameless).all()
    ((start, end), _) = first.containers[1].lines[2][0].get_segments()
    assert (start[0], end[0]) == (205, 235)
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["gender not known", "female", "male"]
    assert first.get_title(loc="left") == "a: 5 clips"


def test_prosody_of_many_corpora_genders_and_classes_can_be_drawn():
    rng = np.random.default_rng(0)
    rows = [(f"c{n % 2}", f"g{n % 7}", f"e{n % 9}", rng.uniform(60, 500)) for n in range(2 * 7 * 9)]
    drawn = prosody_by_class(_prosody(rows), [f"e{n}" for n in range(9)])
    assert png(drawn).startswith(b"\x89PNG")
