from dataclasses import replace

import numpy as np
import pytest

from serkit.augmentation.arms import ARMS
from serkit.studies.classifier_runs import TrainedGate, Training
from serkit.studies.filling import Filling


@pytest.fixture
def gate(pretended, fold, small, tmp_path):
    settings = replace(pretended[0].settings, gated=True)
    filling = Filling(ARMS["none"], fold, settings, {})
    training = Training("compact", filling, 0, settings, tmp_path, keep_model=True)
    training.run(0)
    return TrainedGate(training)


def test_the_judge_knows_the_training_clips_and_no_others(gate, fold):
    judge = gate.judge()
    assert judge.clips == fold.split.train.counts("emotion")
    label = next(iter(fold.plan))
    real = fold.parts.of(fold.parts.rare(label))
    assert judge.verdicts(real, label).copies.all()
    assert gate.judge() is judge
    assert gate.key == gate.training.key
    assert np.isfinite(judge.embedding(real)).all()
