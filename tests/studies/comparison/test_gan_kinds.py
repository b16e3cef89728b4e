from dataclasses import replace

import pytest

from serkit.augmentation.arms import GANS
from serkit.errors import InputError
from serkit.studies.gan_kinds import KINDS, GanSizes


def test_there_is_a_kind_for_every_arm_with_a_gan():
    assert set(KINDS) == set(GANS)


@pytest.mark.parametrize("kind", GANS)
def test_steps_and_width_are_those_that_are_asked_for(kind):
    sizes = GanSizes(width=0.5, pretraining=100, steps=30)
    pretraining_settings, rare_settings = (KINDS[kind].settings(sizes, rare, 7) for rare in (0, 2))
    steps_factor = KINDS[kind].steps_factor
    assert (pretraining_settings.steps, rare_settings.steps) == (
        100 * steps_factor,
        60 * steps_factor,
    )
    assert pretraining_settings.width == rare_settings.width == 0.5
    assert pretraining_settings.classes == (7 if KINDS[kind].conditional else 0)


def test_what_a_search_found_is_shown_as_many_examples():
    kind, sizes = KINDS["wgan-gp"], GanSizes(pretraining=100, steps=30)
    found = replace(kind.rare_settings, batch_size=16, critic_steps=2, penalty=3.0)
    tuned = kind.tuned(found)
    pretraining_settings, rare_settings = (tuned.settings(sizes, rare, 7) for rare in (0, 1))
    assert pretraining_settings.penalty == rare_settings.penalty == 3.0
    assert (pretraining_settings.augment, rare_settings.augment) == (None, found.augment)
    for mine, before in (
        (pretraining_settings, kind.settings(sizes, 0, 7)),
        (rare_settings, kind.settings(sizes, 1, 7)),
    ):
        shown = before.steps * before.examples_per_step
        assert abs(mine.steps * mine.examples_per_step - shown) <= mine.examples_per_step / 2


def test_few_steps_make_one_epoch():
    settings = KINDS["dcgan"].settings(GanSizes(steps=3), 1, 7)
    assert (settings.steps_per_epoch, settings.epochs) == (3, 1)


def test_it_runs_in_little_time_when_shortened():
    short = GanSizes().shortened()
    assert short.width < 0.1
    assert short.pretraining + short.steps < 10


def test_norms_alone_need_something_to_begin_with():
    with pytest.raises(InputError, match=r"`pretraining`.*0"):
        GanSizes(pretraining=0, tuned="norms")
    with pytest.raises(InputError, match=r"tuned.*some"):
        GanSizes(tuned="some")


@pytest.mark.parametrize("wrong", [{"width": 0}, {"pretraining": -1}, {"steps": 0}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        GanSizes(**wrong)
