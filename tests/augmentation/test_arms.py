import pytest

from serkit.augmentation.arms import ARMS, DEFAULT_ARMS, GANS, Arm, choose_arms
from serkit.errors import InputError


def test_none_comes_first_and_need_not_be_named():
    assert [arm.name for arm in choose_arms(["dcgan", "oversampling"])] == [
        *("none", "dcgan", "oversampling")
    ]
    assert choose_arms(["mixup", "none"])[0] == ARMS["none"]


def test_the_defaults_are_what_the_report_page_is_about():
    assert {"none", "class-weights", "oversampling", "noise-images", "dcgan", "wgan-gp"} <= set(
        DEFAULT_ARMS
    )
    assert {arm.fill for arm in ARMS.values()} >= set(GANS)


def test_everywhere_applies_to_every_arm():
    chosen = choose_arms(["dcgan"], ["specaugment", "class-weights"])
    assert [(arm.name, arm.fill) for arm in chosen] == [("none", ""), ("dcgan", "dcgan")]
    assert all(arm.spec_augment and arm.class_weights == "balanced" for arm in chosen)


def test_a_combination_has_the_methods_of_all_its_arms():
    none, bar, filled = choose_arms(["class-weights+specaugment", "mixup+dcgan+specaugment"])
    assert none == ARMS["none"]
    assert (bar.name, bar.class_weights, bar.spec_augment) == (
        *("class-weights+specaugment", "balanced", True),
    )
    assert (filled.fill, filled.mixup, filled.spec_augment) == ("dcgan", 0.3, True)
    assert filled.description.startswith(f"{ARMS['mixup'].description}; ")


@pytest.mark.parametrize(
    ("names", "everywhere", "message"),
    [
        (["mixup+gan"], [], r"arm='gan'"),
        (["mixup+"], [], r"arm=''"),
        (["dcgan+specaugment+oversampling"], [], "dcgan and oversampling"),
        (["mixup+dcgan", "dcgan+mixup"], [], r"mixup\+dcgan and dcgan\+mixup\.$"),
        (["gan"], [], r"arm='gan'"),
        (["dcgan", "dcgan"], [], "arms=dcgan, dcgan"),
        (["dcgan"], ["oversampling"], "everywhere='oversampling'"),
        (["mixup"], ["mixup"], "everywhere=mixup"),
    ],
)
def test_invalid_arms_are_refused(names, everywhere, message):
    with pytest.raises(InputError, match=message):
        choose_arms(names, everywhere)


def test_two_kinds_of_fill_are_rejected():
    with pytest.raises(InputError, match="dcgan and oversampling"):
        ARMS["dcgan"].combined_with(ARMS["oversampling"])
    with pytest.raises(InputError, match="fill='gan'"):
        Arm("x", "y", fill="gan")


def test_waveforms_are_augmented_in_all_ways_that_are_asked_for():
    for one, other in (("noise", "gain"), ("gain", "noise")):
        both = ARMS[one].combined_with(ARMS[other])
        assert both.wave_augmentations == ("gain", "noise")
    assert ARMS["noise"].combined_with(ARMS["speed"]).live_augmentations == ("noise", "speed")
    assert ARMS["speed"].live_augmentations == ("speed",)
    assert ARMS["dcgan"].live_augmentations == ()
    with pytest.raises(InputError, match="wave_augmentations='echo'"):
        Arm("x", "y", wave_augmentations=("echo",))
