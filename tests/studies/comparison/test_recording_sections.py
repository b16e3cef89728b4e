import numpy as np
import pytest

from serkit.studies.page_sections import cropped


@pytest.mark.parametrize("length", [5, 10, 11, 20])
def test_the_waveform_is_cropped_as_the_spectrogram_is(length):
    """As serkit.audio.loading.fit_length: the middle, or zeros around."""
    out = cropped(np.arange(1, 11, dtype=float), length)
    assert len(out) == length
    if length <= 10:
        assert out[0] == 1 + (10 - length) // 2
    else:
        assert out.sum() == 55
