import json
from dataclasses import replace

import pytest

from serkit.audio.augmentation import WaveAugmentation
from serkit.augmentation.arms import ARMS, choose_arms
from serkit.errors import InputError
from serkit.gans.dcgan import DCGANSettings
from serkit.gans.wgan_gp import WGANGPSettings
from serkit.models.fitting import FitSettings
from serkit.serialization import restored
from serkit.studies.classifier_kinds import FEATURES, HEADS, NETWORKS
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.gan_kinds import KINDS
from serkit.studies.search_spaces import CompactRecipe


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"arms": ("x",)}, "arm.*x"),
        ({"classifiers": ("x",)}, "classifier.*compact.*x"),
        ({"label_set": "mood"}, "label_set.*mood"),
        ({"protocol": "hold-out"}, "protocol.*k-fold.*hold-out"),
        ({"folds": 2}, "folds.*2"),
        ({"rarify": (("sad", 0.0),)}, "`rarify`.*sad=0"),
        ({"rarify": (("sad", 2.5),)}, "`rarify`.*number of clips.*sad=2.5"),
        ({"filled_to": 11}, "filled_to.*11"),
        ({"filled_to": 0.0}, "filled_to.*0.01"),
        ({"roots": ()}, r"`roots`.*\(\)"),
        ({"seeds": (1, 1)}, r"`seeds`.*\(1, 1\)"),
        ({"seeds": (0,), "more_seeds": (0, 1)}, r"`more_seeds`.*\(0, 1\)"),
        ({"plan": "none"}, "plan.*balance.*none"),
        ({"best": -1}, "best.*-1"),
    ],
)
def test_what_is_not_valid_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        ComparisonSettings(**{"roots": ("x",)} | wrong)


def test_both_is_the_honest_protocol_and_the_leaky_one():
    assert ComparisonSettings(("x",), protocol="both").protocols == ("k-fold", "random")
    assert ComparisonSettings(("x",)).protocols == ("k-fold",)


def test_a_classifiers_own_training_can_be_changed():
    changed = FitSettings(epochs=3)
    settings = ComparisonSettings(("x",), fit={"compact": changed})
    assert settings.fit_of("compact") == changed
    assert ComparisonSettings(("x",)).fit_of("compact").keep == "last"


def test_they_are_json_and_a_short_run_differs_in_sizes_alone():
    settings = ComparisonSettings(("x",), rarify=(("sad", 0.5),))
    assert json.loads(json.dumps(settings.to_json())) == settings.to_json()
    short = settings.shortened()
    assert short.arms == settings.arms
    assert short.fit_of("compact").epochs == 2


def test_what_a_search_found_takes_the_place_of_what_there_is():
    recipe = CompactRecipe(fit=FitSettings(epochs=5, keep="last"))
    gan = WGANGPSettings(penalty=3.0)
    settings = ComparisonSettings(("x",), tuned={"classifier": recipe, "wgan-gp": gan})
    assert settings.fit_of("compact") == recipe.fit
    assert settings.gan_kind("wgan-gp").rare_settings == gan
    assert settings.network_kind("vgg16-head") is NETWORKS["vgg16-head"]
    assert settings.gan_kind("dcgan") is KINDS["dcgan"]
    assert settings.to_json()["tuned"]["wgan-gp"]["penalty"] == 3.0
    assert "tuned" not in ComparisonSettings(("x",)).to_json()
    with pytest.raises(InputError, match=r"tuned.*bayesian"):
        ComparisonSettings(("x",), tuned={"bayesian": recipe})


def test_a_recipe_is_recorded_where_it_is_not_the_usual_one():
    assert "gan_recipe" not in ComparisonSettings(("x",)).to_json()
    settings = ComparisonSettings(("x",), gan_recipe="report")
    assert settings.to_json()["gan_recipe"] == "report"
    assert not settings.gan_kind("dcgan").pretrained
    assert settings.gan_kind("wgan-gp") is KINDS["wgan-gp"]
    with pytest.raises(InputError, match=r"gan_recipe.*2021"):
        ComparisonSettings(("x",), gan_recipe="2021")
    with pytest.raises(InputError, match=r"`gan_recipe`.*report"):
        ComparisonSettings(("x",), gan_recipe="report", tuned={"dcgan": DCGANSettings()})


def test_the_reports_networks_may_freeze_less_and_compute_in_another_precision():
    usual = ComparisonSettings(("x",))
    assert not {"frozen_convs", "precision"} & set(usual.to_json())
    assert usual.network_kind("vgg16-half-freeze") is NETWORKS["vgg16-half-freeze"]
    settings = ComparisonSettings(("x",), frozen_convs=8, precision="float32")
    assert settings.to_json()["frozen_convs"] == 8
    network = settings.network_kind("vgg16-half-freeze").network
    assert (network.frozen_convs, network.precision) == (8, "float32")
    # The others freeze all: what was trained of them is still of use.
    less = ComparisonSettings(("x",), frozen_convs=8)
    for name in ("vgg16-head", "resnet50-head", "compact"):
        assert less.network_kind(name).network == NETWORKS[name].network
        assert less.network_kind(name).fit == NETWORKS[name].fit
    for changed in ({"frozen_convs": 14}, {"precision": "float16"}):
        with pytest.raises(InputError, match=next(iter(changed))):
            ComparisonSettings(("x",), **changed)


def test_epochs_of_all_classifiers_can_be_changed_at_once():
    settings = ComparisonSettings(("x",), classifiers=("compact", "vgg16-head"))
    assert settings.with_epochs(None) is settings
    longer = settings.with_epochs(77)
    assert [longer.fit_of(name).epochs for name in longer.classifiers] == [77, 77]
    assert longer.fit_of("vgg16-head").loss == "one_vs_rest"


def test_waveforms_are_kept_where_they_are_asked_for():
    plain = ComparisonSettings(("x",), arms=("none", "speed"))
    assert "live" not in plain.to_json()
    assert plain.wave_augmentation_of(ARMS["speed"]) is None
    assert plain.speeds_of(ARMS["speed"]) == (1.0, 0.9, 1.1)
    noisy = ComparisonSettings(("x",), arms=("none", "speed", "noise"))
    assert "live" not in noisy.to_json()
    assert noisy.wave_augmentation_of(ARMS["noise"]) == WaveAugmentation(snr_db=(10.0, 30.0))
    assert noisy.speeds_of(ARMS["speed"]) == (1.0, 0.9, 1.1)
    live = ComparisonSettings(("x",), arms=("none", "speed"), live=True)
    assert live.to_json()["live"]
    assert live.wave_augmentation_of(ARMS["none"]) == WaveAugmentation()
    assert live.wave_augmentation_of(ARMS["speed"]) == WaveAugmentation(speed=(0.9, 1.1))
    assert live.speeds_of(ARMS["speed"]) == (1.0,)


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"live": True}, "`live` is given"), ({"arms": ("none", "noise")}, "noise")],
)
def test_networks_that_are_trained_on_fixed_views_are_refused_by_name(given, reason):
    with pytest.raises(InputError, match=rf"`classifiers` must not have vgg16-head if .*{reason}:"):
        ComparisonSettings(("x",), classifiers=("compact", "vgg16-head"), **given)


def test_arms_do_not_differ_in_how_speeds_are_drawn():
    given = {"roots": ("x",), "arms": ("none", "noise")}
    with pytest.raises(InputError, match=r"`live`.*False"):
        ComparisonSettings(**given, everywhere=("speed",))
    for others in ({"live": True, "everywhere": ("speed",)}, {"everywhere": ("gain", "speed")}):
        settings = ComparisonSettings(**given, **others)
        assert settings.wave_augmentation_of(ARMS["noise"]) is not None


_ENCODER = "whisper-tiny.en"
_POSSIBLE = ("none", "class-weights", "oversampling", "speed")


def _names(arms) -> tuple[str, ...]:
    return tuple(arm.name for arm in arms)


@pytest.mark.parametrize("classifier", [*NETWORKS, *HEADS])
def test_arms_of_a_classifier(classifier):
    features = "features.npy" if classifier == FEATURES else None
    # The other networks of the 2021 report refuse arms that augment waveforms.
    arms = tuple(ARMS) if classifier in ("compact", *HEADS) else (*_POSSIBLE, "mixup", "dcgan")
    settings = ComparisonSettings(("x",), arms, classifiers=(classifier,), features=features)
    if classifier in NETWORKS:
        assert settings.arms_of(classifier) == choose_arms(arms, ())
    else:
        expected = _POSSIBLE[:3] if classifier == FEATURES else _POSSIBLE
        assert _names(settings.arms_of(classifier)) == expected


def test_arms_of_an_encoder_with_a_method_for_every_arm():
    settings = ComparisonSettings(("x",), ("none", "speed"), ("class-weights",), (_ENCODER,))
    none, speed = settings.arms_of(_ENCODER)
    assert (none.class_weights, none.speeds) == ("balanced", ())
    assert (speed.class_weights, settings.speeds_of(speed)) == ("balanced", (1.0, 0.9, 1.1))
    faster = replace(settings, arms=("none", "class-weights"), everywhere=("speed",))
    assert [settings.speeds_of(arm) for arm in faster.arms_of(_ENCODER)] == [(1.0, 0.9, 1.1)] * 2


_OWN = {"classifiers": ("features",), "features": "x.npy"}
_OF_ENCODER = {"classifiers": (_ENCODER,)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            _OF_ENCODER | {"arms": ("none", "dcgan")},
            f"`arms` must have .*{_ENCODER}.*: none, dcgan",
        ),
        (_OF_ENCODER | {"arms": ("none", "mixup", "noise")}, r"`arms`.*none, mixup, noise\."),
        (_OF_ENCODER | {"arms": _POSSIBLE, "everywhere": ("specaugment",)}, "`arms`.*`everywhere`"),
        (_OF_ENCODER | {"everywhere": ("gain",)}, "`arms`.*`everywhere`"),
        (_OF_ENCODER | {"arms": _POSSIBLE, "live": True}, "`arms`.*`live`"),
        (
            {"classifiers": ("compact", _ENCODER), "arms": ("none", "dcgan")},
            f"`arms` must have .*{_ENCODER}",
        ),
        (_OWN | {"arms": ("none", "speed")}, "oversampling with features.*: none, speed"),
        (_OWN | {"arms": ("none", "oversampling"), "everywhere": ("speed",)}, "`arms`.*features"),
        (_OWN | {"features": None}, "`features` must be a file.*none"),
        (
            _OF_ENCODER | {"features": "x.npy"},
            rf"`features`.*x\.npy, with the classifier {_ENCODER}",
        ),
        ({"features": "x.npy"}, r"`features`.*x\.npy, with the classifier compact"),
        (
            {"classifiers": (_ENCODER, "vgg16-head"), "weights": "a.h5"},
            rf"`weights`.*a\.h5 with {_ENCODER}, vgg16-head",
        ),
        (
            {"classifiers": (_ENCODER, "whisper-tiny"), "weights": "a.pt"},
            rf"`weights`.*a\.pt with {_ENCODER}, whisper-tiny",
        ),
        (_OF_ENCODER | {"fit": {_ENCODER: FitSettings()}}, f"`fit`.*{_ENCODER}"),
    ],
)
def test_what_a_linear_classifier_cannot_be_trained_with_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        ComparisonSettings(**{"roots": ("x",)} | given)


def test_weights_may_be_a_file_of_one_kind_of_network():
    for classifiers in ((_ENCODER, "compact"), (_ENCODER, "features"), ("features", "vgg16-head")):
        features = "x.npy" if "features" in classifiers else None
        settings = ComparisonSettings(
            ("x",), classifiers=classifiers, weights="a.h5", features=features
        )
        assert settings.encoder_weights == "a.h5"
    for weights in ("imagenet", "none"):
        both = ComparisonSettings(("x",), classifiers=(_ENCODER, "vgg16-head"), weights=weights)
        assert both.encoder_weights is None


def test_the_file_of_features_is_a_setting():
    own = ComparisonSettings(("x",), **_OWN)
    assert own.to_json()["features"] == "x.npy"
    assert restored(ComparisonSettings, own.to_json()) == own
    assert "features" not in ComparisonSettings(("x",)).to_json()


def test_epochs_and_short_runs_are_of_networks():
    own = ComparisonSettings(("x",), **_OWN)
    assert set(own.with_epochs(3).fit) == set(own.shortened().fit) == set(NETWORKS)
