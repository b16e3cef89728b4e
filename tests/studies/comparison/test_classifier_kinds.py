import pytest

from serkit.errors import InputError
from serkit.models.pretrained import RESNET50, VGG16
from serkit.models.transfer import TRANSFER
from serkit.studies.classifier_kinds import NETWORKS


def test_serkits_own_and_the_reports_three():
    assert set(NETWORKS) == {"compact", *TRANSFER}
    assert NETWORKS["compact"].base is None
    assert {name: NETWORKS[name].base for name in TRANSFER} == {
        "resnet50-head": RESNET50,
        "vgg16-head": VGG16,
        "vgg16-half-freeze": VGG16,
    }
    assert {NETWORKS[name].fit.loss for name in TRANSFER} == {"one_vs_rest"}


def test_compact_takes_any_spectrogram():
    model = NETWORKS["compact"].build(3, (96, 64, 1), "none", 0)
    assert model.input_shape[1:] == (96, 64, 1)
    assert model.output_shape[1:] == (3,)


def test_the_reports_networks_take_their_size_alone():
    with pytest.raises(InputError, match=r"`spec`.*vgg16-head.*96, 64"):
        NETWORKS["vgg16-head"].build(3, (96, 64, 1), "none", 0)
