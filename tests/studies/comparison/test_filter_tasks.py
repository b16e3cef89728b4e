from dataclasses import replace

import numpy as np
import pytest

from serkit.augmentation.arms import ARMS
from serkit.studies.classifier_runs import ClassifierRun, TrainedFilter
from serkit.studies.filling import Filling


@pytest.fixture
def filter_task(pretended, fold, small, tmp_path):
    settings = replace(pretended[0].settings, gated=True)
    filling = Filling(ARMS["none"], fold, settings, {})
    training = ClassifierRun("compact", filling, 0, settings, tmp_path, keep_model=True)
    training.run(0)
    return TrainedFilter(training)


def test_the_sample_filter_has_the_training_clips_and_no_others(filter_task, fold):
    sample_filter = filter_task.sample_filter()
    assert sample_filter.clips == fold.split.train.counts("emotion")
    label = next(iter(fold.plan))
    real = fold.parts.of(fold.parts.rare(label))
    assert sample_filter.verdicts(real, label).copies.all()
    assert filter_task.sample_filter() is sample_filter
    assert filter_task.key == filter_task.training.key
    assert np.isfinite(sample_filter.embedding(real)).all()
