import numpy as np
import pytest

from serkit.reporting.gan_figures import contrast, contrast_sentences, variety


def test_contrast_and_variety_by_hand():
    halves = np.full((3, 4, 2), -1.0)
    halves[:, :2] = 1.0
    assert (contrast(halves), variety(halves)) == (1.0, 0.0)
    apart = np.stack([np.full((4, 2), -0.5), np.full((4, 2), 0.5)])
    assert (contrast(apart), variety(apart)) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("factor", "same", "words"),
    [(1.0, False, None), (0.6, False, None), (0.1, False, "flat"), (1.0, True, "alike")],
)
def test_flat_and_alike_samples_get_a_note(rng, factor, same, words):
    real = rng.uniform(-1, 1, (5, 20, 20))
    made = factor * rng.uniform(-1, 1, (5, 20, 20))
    if same:
        made = made[:1].repeat(5, axis=0)
    (text,) = contrast_sentences({"sad": (real, made)})
    assert text.startswith(f"sad: contrast {contrast(made):.2f}, that of clips 0.5")
    assert [word for word in ("flat", "alike") if word in text] == ([words] if words else [])


def test_a_single_sample_is_not_called_alike(rng):
    real = rng.uniform(-1, 1, (5, 20, 20))
    (text,) = contrast_sentences({"sad": (real, real[:1])})
    assert "alike" not in text
