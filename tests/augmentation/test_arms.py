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
    assert all(arm.masks and arm.class_weights == "balanced" for arm in chosen)


@pytest.mark.parametrize(
    ("names", "everywhere", "message"),
    [
        (["gan"], [], r"arm='gan'"),
        (["dcgan", "dcgan"], [], "arms=dcgan, dcgan"),
        (["dcgan"], ["oversampling"], "everywhere='oversampling'"),
        (["mixup"], ["mixup"], "everywhere=mixup"),
    ],
)
def test_invalid_arms_are_refused(names, everywhere, message):
    with pytest.raises(InputError, match=message):
        choose_arms(names, everywhere)


def test_two_ways_of_filling_are_refused():
    with pytest.raises(InputError, match="dcgan and oversampling"):
        ARMS["dcgan"].beside(ARMS["oversampling"])
    with pytest.raises(InputError, match="fill='gan'"):
        Arm("x", "y", fill="gan")


def test_waveforms_are_augmented_in_all_ways_that_are_asked_for():
    both = ARMS["noise"].beside(ARMS["gain"])
    assert both.waves == ARMS["gain"].beside(ARMS["noise"]).waves == ("gain", "noise")
    assert ARMS["noise"].beside(ARMS["speed"]).augmentations == ("noise", "speed")
    assert ARMS["speed"].augmentations == ("speed",)
    assert ARMS["dcgan"].augmentations == ()
    with pytest.raises(InputError, match="waves='echo'"):
        Arm("x", "y", waves=("echo",))
