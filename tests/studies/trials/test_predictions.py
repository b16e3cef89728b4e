import keras
import numpy as np

from serkit.studies.partitions import predict_clips


def test_a_row_per_clip_with_labels_and_logits(partitions):
    inputs = keras.Input((1, 1, 1))
    number = keras.layers.Flatten()(inputs)
    model = keras.Model(inputs, keras.layers.Concatenate()([number, 12.5 - 0 * number]))
    table = predict_clips(model, partitions, partitions.split.test)
    clips = partitions.split.test.clips
    assert list(table["path"]) == [clip.path for clip in clips]
    assert list(table["speaker"]) == [clip.speaker for clip in clips]
    assert list(table["truth"]) == [clip.emotion for clip in clips]
    numbers = [int(clip.path.split(".")[0]) for clip in clips]
    # angry comes before sad; a spectrogram's value is the clip's number.
    np.testing.assert_allclose(table["logit_angry"], numbers)
    assert list(table["predicted"]) == ["angry" if n > 12 else "sad" for n in numbers]
