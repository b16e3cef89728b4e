import pytest

from serkit.errors import InputError
from serkit.models.pretrained import RESNET50, VGG16
from serkit.models.transfer import TRANSFER
from serkit.models.whisper_weights import PRESETS
from serkit.progress import SilentProgress
from serkit.studies.classifier_kinds import (
    CLASSIFIERS,
    HEADS,
    NETWORKS,
    open_features,
    require_features,
)


def test_serkits_own_and_the_reports_three():
    assert NETWORKS["compact"].base is None
    assert {name: NETWORKS[name].base for name in TRANSFER} == {
        "resnet50-head": RESNET50,
        "vgg16-head": VGG16,
        "vgg16-half-freeze": VGG16,
    }
    assert {NETWORKS[name].fit.loss for name in TRANSFER} == {"one_vs_rest"}


def test_a_linear_classifier_of_each_encoder_and_of_own_features():
    assert set(HEADS) == {*PRESETS, "features"}
    assert sorted(CLASSIFIERS) == sorted({*NETWORKS, *HEADS})


def test_inputs_of_a_linear_classifier(encoder_of, small_encoders, own_features):
    found = open_features("whisper-tiny.en", None, None, SilentProgress())
    assert found.encoder is encoder_of(0)
    assert open_features("whisper-tiny", "at-1", None, SilentProgress()).encoder is encoder_of(1)
    own = open_features("features", "at-1", str(own_features), SilentProgress())
    assert own.file == own_features
    require_features(("features",), "rows.npy", ("manifest.csv",))
    require_features(("features",), "rows.csv", ("a", "b"))
    with pytest.raises(InputError, match=r"`roots` must be one root.*rows\.npy.*Received: a, b"):
        require_features(("features",), "rows.npy", ("a", "b"))
    with pytest.raises(InputError, match=r"`features`.*gone\.npy"):
        open_features("features", None, "gone.npy", SilentProgress())


def test_compact_takes_any_spectrogram():
    model = NETWORKS["compact"].build(3, (96, 64, 1), "none", 0)
    assert model.input_shape[1:] == (96, 64, 1)
    assert model.output_shape[1:] == (3,)


def test_the_reports_networks_take_their_size_alone():
    with pytest.raises(InputError, match=r"`spec`.*vgg16-head.*96, 64"):
        NETWORKS["vgg16-head"].build(3, (96, 64, 1), "none", 0)
