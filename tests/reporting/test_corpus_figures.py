import numpy as np
import pandas as pd
import pytest

from serkit.reporting.corpus_figures import clips_by_class, durations
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


@pytest.mark.parametrize("draw", [clips_by_class, durations])
def test_many_corpora_and_clips_can_be_drawn(draw):
    rng = np.random.default_rng(0)
    clips = pd.concat([CLIPS.assign(corpus=f"c{n}") for n in range(9)])
    clips["duration"] = rng.uniform(0.1, 9, len(clips))
    assert png(draw(clips)).startswith(b"\x89PNG")
