import numpy as np
import pandas as pd
import pytest

CLASSES = ("angry", "happy", "sad")


def _answers(rng, sharpness, method, clips=240):
    """Calibrated probabilities, sharpened by a power."""
    logits = rng.normal(0, 1.5, (clips, 3))
    likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (likely.cumsum(axis=1) < rng.random((clips, 1))).sum(axis=1)
    said = likely**sharpness / (likely**sharpness).sum(axis=1, keepdims=True)
    rows = pd.DataFrame(said, columns=[f"p_{label}" for label in CLASSES])
    rows["total"] = -(said * np.log(said)).sum(axis=1)
    rows["epistemic"] = 0.0
    rows["strangeness"] = rng.normal(size=clips)
    rows["truth"] = [CLASSES[number] for number in truth]
    rows["speaker"] = [f"s{number % 12}" for number in range(clips)]
    ood = rows.assign(kind="noise", truth="", speaker="", total=rows["total"] + 5)
    rows = pd.concat([rows.assign(kind="known"), ood])
    return rows.assign(
        method=method,
        twin="" if sharpness == 1 else "calibrated",
        seed=0,
        fold=np.arange(2 * clips) % 2,
    )


@pytest.fixture
def answers(rng):
    state = rng.bit_generator.state
    calibrated = _answers(rng, 1.0, "calibrated")
    rng.bit_generator.state = state
    return pd.concat([calibrated, _answers(rng, 3.0, "overconfident")])
