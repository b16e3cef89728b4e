from dataclasses import replace

import pytest

from serkit.errors import LeakError
from serkit.gans.sampling import load_generator
from serkit.studies.generators import gan_runs, in_training_order

pytestmark = pytest.mark.filterwarnings("ignore:a GAN is trained on")


@pytest.fixture
def settings(pretended):
    return pretended[0].settings


@pytest.fixture(scope="module")
def trained_at(tmp_path_factory):
    """Folder of GANs that several tests read."""
    return tmp_path_factory.mktemp("gans")


def _of(kind, fold, settings, folder):
    return in_training_order(gan_runs(kind, fold, settings, folder))


def test_one_of_all_clips_then_one_for_each_rare_class(fold, settings, tmp_path):
    gans = gan_runs("dcgan", fold, settings, tmp_path)
    first, *others = in_training_order(gans)
    assert (first.name, first.pretrained_gan) == ("all", None)
    assert [one.name for one in others] == list(fold.plan)
    assert all(one.pretrained_gan is first for one in others)
    assert {clip.emotion for clip in others[0].clips.clips} == {others[0].name}
    assert gans[others[0].name] is others[0]


def test_a_conditional_one_is_of_all_rare_classes_together(fold, settings, tmp_path):
    first, together, *more = _of("conditional", fold, settings, tmp_path)
    assert not more
    assert (first.name, together.name) == ("all", "rare")
    assert {clip.emotion for clip in together.clips.clips} == set(fold.plan)
    assert together.settings.steps == len(fold.plan) * settings.gans.steps
    assert together.settings.classes == len(fold.partitions.classes)


def test_without_pretraining_each_begins_from_nothing(fold, settings, tmp_path):
    settings = replace(settings, gans=replace(settings.gans, pretraining=0))
    trainings = _of("dcgan", fold, settings, tmp_path)
    assert [one.name for one in trainings] == list(fold.plan)
    assert all(one.pretrained_gan is None for one in trainings)


def test_the_recipe_of_the_2021_report_begins_from_nothing_with_all_clips_in_a_batch(
    fold, settings, tmp_path
):
    report = replace(settings, gan_recipe="report")
    for one in _of("dcgan", fold, report, tmp_path):
        assert one.pretrained_gan is None
        assert (one.settings.discriminator, one.settings.augment) == ("staged", None)
        assert one.settings.batch_size == max(2, len(one.clips))
        assert one.settings.width == settings.gans.width
    # The other kinds of GAN are what they were.
    assert _of("wgan-gp", fold, report, tmp_path)[0].name == "all"


def test_no_gan_is_needed_where_no_class_is_rare(fold, settings, tmp_path):
    assert not _of("dcgan", replace(fold, plan={}), settings, tmp_path)


def test_the_key_changes_with_what_the_generator_depends_on(fold, settings, tmp_path):
    def key(fold=fold, **changed):
        return _of("dcgan", fold, replace(settings, **changed), tmp_path)[-1].key

    known = key()
    assert key() == known
    # What it is used for does not matter; how it was made does, and what it began with.
    assert key(filled_to=0.9, arms=("none", "dcgan"), seeds=(7,)) == known
    assert key(seed=1) != known
    assert key(gans=replace(settings.gans, steps=3)) != known
    assert key(gans=replace(settings.gans, pretraining=3)) != known
    assert key(gans=replace(settings.gans, tuned="norms")) != known
    fewer = fold.split.train.clips[1:]
    thinner = replace(fold.split, train=replace(fold.split.train, clips=fewer))
    assert key(replace(fold, split=thinner)) != known


def test_a_trained_gan_is_stored_with_its_speakers(fold, settings, trained_at):
    first, then, *_ = _of("dcgan", fold, settings, trained_at)
    for training in (first, then):
        assert not training.is_done
        training.run(0)
        assert training.is_done
    card = load_generator(then.folder).card
    assert card.labels == (then.name,)
    # It started from a GAN of all training speakers.
    assert set(card.speakers) == fold.split.train.speakers()
    assert then.load().network.output_shape == (None, 224, 224, 1)


def test_norms_alone_are_tuned_where_there_is_something_to_begin_with(
    fold, settings, trained_at, monkeypatch
):
    settings = replace(settings, gans=replace(settings.gans, tuned="norms"))
    first, then, *_ = _of("dcgan", fold, settings, trained_at)
    assert (first.norms_alone, then.norms_alone) == (False, True)
    if not first.is_done:
        first.run(0)
    tuned = []
    monkeypatch.setattr("serkit.studies.generators.tune_norms_alone", tuned.append)
    then.run(0)
    assert [network.name for network in tuned] == ["generator"]


def test_clips_of_a_test_speaker_are_refused(fold, settings, tmp_path):
    first = _of("dcgan", fold, settings, tmp_path)[0]
    leaking = replace(first, clips=fold.split.test)
    with pytest.raises(LeakError, match="speakers"):
        leaking.run(0)
    assert not leaking.is_done
