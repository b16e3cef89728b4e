from dataclasses import replace

import numpy as np
import pytest

from serkit.augmentation.arms import ARMS
from serkit.studies.generators import TrainedFilter
from serkit.studies.network_runs import NetworkRun
from serkit.studies.training_sets import TrainingSet


@pytest.fixture
def trained_filter(pretended, fold, small, tmp_path):
    settings = replace(pretended[0].settings, gated=True)
    data = TrainingSet(ARMS["none"], fold, settings, {})
    run = NetworkRun("compact", data, 0, settings, tmp_path, keep_model=True)
    run.run(0)
    return TrainedFilter(fold, run.key, run.model_file)


def test_the_sample_filter_has_the_training_clips_and_no_others(trained_filter, fold):
    sample_filter = trained_filter.sample_filter
    assert sample_filter.clips == fold.split.train.counts("emotion")
    label = next(iter(fold.plan))
    real = fold.partitions.spectrograms(fold.partitions.training_clips(label))
    assert sample_filter.verdicts(real, label).copies.all()
    assert trained_filter.sample_filter is sample_filter
    assert np.isfinite(sample_filter.embedding(real)).all()
