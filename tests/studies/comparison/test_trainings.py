from dataclasses import replace

import keras
import numpy as np
import pytest

from serkit.augmentation.arms import ARMS
from serkit.errors import LeakError
from serkit.models.pretrained import WeightsCard
from serkit.studies.network_runs import NetworkRun, weights_key
from serkit.studies.training_sets import AddedExamples, TrainingSet
from serkit.training.examples import Examples
from serkit.training.live import LiveSpectrograms

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture
def training(pretended, fold, tmp_path):
    """Return a function that makes a training run of an arm."""
    settings = pretended[0].settings

    def make(arm="none", seed=0, keep=False, folder=tmp_path, **changed):
        own = replace(settings, **changed)
        data = TrainingSet(ARMS[arm], fold, own, {})
        return NetworkRun("compact", data, seed, own, folder, keep)

    return make


@pytest.fixture(scope="module")
def trained_at(tmp_path_factory):
    """Folder of training runs that several tests read."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def trained(training, trained_at, deterministic):
    """Return a function that makes a finished training run."""

    def make(arm="none", **changed):
        one = training(arm, folder=trained_at, keep=True, **changed)
        if not one.is_done:
            one.run(0)
        return one

    return make


def test_a_training_run_keeps_its_predictions_of_the_test_partition(trained, training, fold):
    assert not training("oversampling").is_done
    one = trained("oversampling")
    assert one.is_done
    found = one.predictions()
    assert list(found["path"]) == [clip.path for clip in fold.split.test.clips]
    assert list(found["truth"]) == fold.split.test.labels("emotion")
    assert one.record()["examples"] == len(fold.split.train) + sum(fold.plan.values())
    assert one.record()["generated"] == 0
    assert 0 <= one.record()["validation_uar"] <= 1
    assert len(one.history()) == 2
    # Of all that it was trained on, copies as well, by the network that was kept.
    network, (train, _) = keras.models.load_model(one.model_file), one._training_examples()
    called = network.predict(train.spectrograms[:], verbose=0).argmax(axis=1)
    assert one.record()["train_accuracy"] == pytest.approx(np.mean(called == train.labels))
    kept = {path.name for path in one.folder.iterdir()}
    assert kept == {"history.csv", "model.keras", "predictions.csv", "record.json"}


def test_masks_change_the_training_run(trained):
    plain, other = trained(), trained("specaugment")
    assert plain.record()["examples"] == other.record()["examples"]
    logits = [one.predictions().filter(like="logit_").to_numpy() for one in (plain, other)]
    assert not np.array_equal(*logits)


def test_noise_is_drawn_at_each_step(training):
    examples, generated = training("noise")._training_examples()
    assert generated == 0
    assert isinstance(examples.spectrograms, LiveSpectrograms)
    assert examples.spectrograms.is_random


def test_all_arms_take_as_many_steps_from_the_same_weights(training, fold):
    fits = [training(arm).fit for arm in ("none", "oversampling", "mixup")]
    assert {(fit.epochs, fit.steps_per_epoch) for fit in fits} == {(2, 2)}
    assert [fit.mixup > 0 for fit in fits] == [False, False, True]
    assert training("class-weights").fit.class_weights == "balanced"
    assert (
        training()._derived_seed
        == training("oversampling")._derived_seed
        != training(seed=1)._derived_seed
    )
    # Without a number of steps they are one pass over what the largest arm has.
    free = {"compact": replace(fits[0], steps_per_epoch=None)}
    wanted = -(-(len(fold.split.train) + sum(fold.plan.values())) // 8)
    for arm in ("none", "oversampling"):
        assert training(arm, fit=free).fit.steps_per_epoch == wanted


def test_the_key_changes_with_what_predictions_depend_on(training, fold):
    known = training().key
    assert training().key == known
    changed = [
        training("oversampling"),
        training("mixup"),
        training(seed=1),
        training(fit={"compact": replace(training().fit, epochs=3)}),
        training("specaugment"),
        training("specaugment", masks=replace(training().settings.masks, time=0.3)),
    ]
    assert len({known, *(one.key for one in changed)}) == len(changed) + 1
    # Weights are none of the compact network's, nor masks of an arm that has none.
    assert training(weights="imagenet").key == known
    assert training(masks=replace(training().settings.masks, time=0.3)).key == known


def test_live_training_without_randomness_predicts_the_same(trained):
    """Copies of rare classes' clips included, which have waveforms as well."""
    cached, live = trained("oversampling"), trained("oversampling", live=True)
    assert cached.key != live.key
    (partitions,) = live.data.partitions
    assert isinstance(live._training_examples()[0].spectrograms, LiveSpectrograms)
    assert (live._training_examples()[0].spectrograms.waveform_rows >= 0).all()
    assert partitions.classes == cached.data.fold.classes
    assert cached.history() == live.history()
    assert cached.predictions().equals(live.predictions())
    assert cached.record() == live.record()


def test_live_and_what_waveforms_go_through_are_part_of_the_key(training):
    made = [training("noise"), training("gain"), training("speed", live=True)]
    plain = [training(), training("speed"), training(live=True)]
    assert len({one.key for one in made + plain}) == 6
    assert training("noise", live=True).key == training("noise").key
    # Spectrograms of other speeds are not waited for.
    assert training("speed", live=True).needs == training().needs


def test_the_epoch_that_was_kept(training, monkeypatch):
    rows = [
        {"epoch": 1, "val_uar": 0.3},
        {"epoch": 2, "val_uar": 0.5},
        {"epoch": 3, "val_uar": 0.4},
    ]
    monkeypatch.setattr(NetworkRun, "history", lambda self: rows)
    fit = training().fit
    best, last = (
        training(fit={"compact": replace(fit, keep=keep)}).kept_epoch() for keep in ("best", "last")
    )
    assert (best["epoch"], last["epoch"]) == (2, 3)


def test_predictions_have_the_attributes_of_the_current_manifest(trained, fold):
    one = trained()
    clips = tuple(replace(clip, gender="other") for clip in fold.split.test.clips)
    mended = replace(fold.split, test=replace(fold.split.test, clips=clips))
    again = replace(one, data=replace(one.data, fold=replace(fold, split=mended)))
    assert again.key == one.key
    assert set(again.predictions()["gender"]) == {"other"}


def test_classes_may_be_called_by_numbers(training):
    one = training()
    one.folder.mkdir(parents=True)
    split = one.data.fold.split
    rows = "".join("r,p,c,s,0,1,2,0.5\n" for _ in split.test.clips)
    head = "root,path,corpus,speaker,gender,truth,predicted,logit_1\n"
    (one.folder / "predictions.csv").write_text(head + rows)
    found = one.predictions()
    assert (found["truth"].iloc[0], found["predicted"].iloc[0]) == ("1", "2")
    assert found["logit_1"].iloc[0] == 0.5


def test_weights_are_known_by_their_content(tmp_path):
    file = tmp_path / "weights.h5"
    file.write_bytes(b"one")
    first = weights_key(str(file))
    file.write_bytes(b"two")
    second = weights_key(str(file))
    assert second != first
    # What a card says of the scaling changes what comes of the same content.
    WeightsCard("VGG16", ("a",), "imagenet", 0, 1, 0.5).write(file)
    assert weights_key(str(file)) == second
    WeightsCard("VGG16", ("a",), "plain", 0, 1, 0.5).write(file)
    assert weights_key(str(file)) != second
    assert weights_key("imagenet") == "imagenet"
    # Trainings on random weights as they once were are not taken for those of today.
    assert weights_key("none") != "none"


def test_weights_trained_on_a_test_speaker_are_refused(training, fold, tmp_path):
    file = tmp_path / "vgg.weights.h5"
    held_out = min(fold.split.test.speakers())
    speakers = {held_out, *fold.split.train.speakers()}
    WeightsCard("VGG16", tuple(sorted(speakers)), "plain", 0, 1, 0.5).write(file)
    one = replace(training(weights=str(file)), classifier="resnet50-head")
    with pytest.raises(LeakError, match=f"speakers.*{held_out}"):
        one.run(0)
    assert not one.is_done


class _Leaking(TrainingSet):
    """A statistic of all clips, test speakers' too, goes into what is added."""

    def added(self):
        partitions = self.fold.partitions
        spectrograms = np.full(
            (4, *partitions.shape), np.mean(partitions.spectrograms(partitions.corpus)), np.float32
        )
        speakers = frozenset(partitions.corpus.speakers())
        return AddedExamples([Examples(spectrograms, speakers, np.zeros(4, int))], {})


def test_a_statistic_of_test_speakers_is_refused(training, fold):
    one = training("oversampling")
    leaking = _Leaking(ARMS["oversampling"], fold, one.settings, {})
    with pytest.raises(LeakError, match="speakers") as caught:
        replace(one, data=leaking).run(0)
    assert all(name in str(caught.value) for name in fold.split.test.speakers())
    assert not replace(one, data=leaking).is_done
