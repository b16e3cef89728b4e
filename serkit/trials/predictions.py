"""What a classifier made of each clip of a part, as a table."""

import keras
import pandas as pd

from serkit.corpora.corpus import Corpus
from serkit.trials.parts import Parts


def predict_part(model: keras.Model, parts: Parts, part: Corpus) -> pd.DataFrame:
    """Predict clips.

    Args:
        model: from spectrograms to logits ``(batch, classes)``.
        parts: which the clips are of.
        part: the clips.

    Returns:
        A row per clip: ``root``, ``path``, ``corpus``, ``speaker``, ``gender``, ``truth`` and
        ``predicted`` (labels), and the logits ``logit_<label>``.
    """
    logits = model.predict(parts.of(part), batch_size=64, verbose=0)
    names = "root", "path", "corpus", "speaker", "gender"
    clips = {name: [getattr(clip, name) for clip in part.clips] for name in names}
    clips["truth"] = part.labels(parts.label_set)
    clips["predicted"] = [parts.classes[number] for number in logits.argmax(axis=1)]
    values = pd.DataFrame(logits, columns=[f"logit_{label}" for label in parts.classes])
    return pd.concat([pd.DataFrame(clips), values], axis=1)
