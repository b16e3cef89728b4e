import json

import pytest

from serkit.datasets.synthetic import SyntheticSettings
from serkit.errors import InputError
from serkit.serialization import restored
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.demo import demo_settings


def test_json_values_become_the_same_settings():
    settings = demo_settings(("a",), short=True)
    values = json.loads(json.dumps(settings.to_json()))
    assert restored(ComparisonSettings, values) == settings
    assert restored(ComparisonSettings, demo_settings().to_json()) == demo_settings()


def test_defaults():
    settings = demo_settings(seed=3)
    assert (settings.arms, settings.protocols) == (("none", "dcgan"), ("hold-out",))
    assert (settings.everywhere, settings.label_set) == (("specaugment",), "gender_emotion")
    assert (settings.seed, settings.seeds) == (3, (3,))
    assert settings.synthetic == SyntheticSettings(seed=3)
    assert demo_settings(("a",)).synthetic is None
    assert demo_settings(protocol="random").protocols == ("random",)


def test_short_has_the_same_spectrograms_and_less_of_all_else():
    full, short = demo_settings(), demo_settings(short=True)
    assert short.spec == full.spec
    assert short.synthetic.size < full.synthetic.size
    assert short.gans.steps < full.gans.steps
    assert short.fit_of("compact").epochs < full.fit_of("compact").epochs
    assert (short.most_rare, short.gated, short.folds) == (2, False, 1)
    assert demo_settings(short=True, gan_steps=50, epochs=8).gans.steps == 50


def test_recipe_of_the_2021_report():
    settings = demo_settings(gan_recipe="report")
    assert settings.gans.steps == 2000
    assert settings.gan_kind("dcgan").rare_settings.discriminator == "staged"
    assert not settings.gan_kind("dcgan").pretrained
    assert demo_settings(gan_recipe="small-data") == demo_settings()


@pytest.mark.parametrize(
    "wrong", [{"label_set": "mood"}, {"protocol": "k-fold"}, {"rare_below": 20}]
)
def test_invalid_values(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"{name}.*{value}"):
        demo_settings(**wrong)
