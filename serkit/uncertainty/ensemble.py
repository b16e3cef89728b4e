"""Networks that always answer the same: one, or several that were trained apart."""

from collections.abc import Sequence

import keras
import numpy as np

from serkit.errors import InputError
from serkit.training.batches import batches_in_order


class Ensemble:
    """Each network is a sample.

    Args:
        models: from spectrograms to logits, one or more, of the same classes: for a deep ensemble
            of other seeds. They may have been trained on other clips, but on none of a speaker whom
            another one is tested with.

    Raises:
        InputError: if there is none, or they differ in classes.

    Source: Lakshminarayanan et al. (2017), arXiv:1612.01474.
    """

    def __init__(self, models: Sequence[keras.Model]) -> None:
        if len({model.output_shape[-1] for model in models}) != 1:
            found = ", ".join(str(model.output_shape[-1]) for model in models) or "none"
            raise InputError(f"networks of {found} classes; valid are one or more of the same")
        self.models = tuple(models)

    def predict_logits(
        self, x: np.ndarray, n: int = 30, seed: int = 0, batch_size: int = 64
    ) -> np.ndarray:
        """As many samples as there are networks, whatever ``n`` and ``seed``.

        See :meth:`serkit.uncertainty.predictor.Predictor.predict_logits`.
        """
        batches = batches_in_order((x,), batch_size)
        found = [model.predict(batches, verbose=0) for model in self.models]
        return np.stack(found).astype(np.float32)
