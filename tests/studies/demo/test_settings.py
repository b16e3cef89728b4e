import json

import pytest

from serkit.errors import InputError
from serkit.studies.demo_settings import DemoSettings


def test_json_values_survive_json():
    values = DemoSettings(roots=("a",)).to_json()
    assert json.loads(json.dumps(values)) == values
    assert values["gan"]["discriminator"] == "discriminator1"


def test_short_differs_in_size_alone():
    full, short = DemoSettings(), DemoSettings().shortened()
    assert short.spec == full.spec
    assert short.synthetic.size < full.synthetic.size
    assert short.gan.steps < full.gan.steps
    assert short.fit.epochs < full.fit.epochs


def test_gans_by_the_recipe_of_the_2021_report():
    settings = DemoSettings().with_gan_recipe("report")
    assert (settings.gan.discriminator, settings.gan.augment) == ("staged", None)
    assert settings.gan.width == DemoSettings().gan.width
    assert settings.shortened().pretraining_steps == settings.pretraining_steps == 0
    assert settings.to_json()["gan_recipe"] == "report"
    assert DemoSettings().with_gan_recipe("small-data") == DemoSettings()
    assert "gan_recipe" not in DemoSettings().to_json()


def test_values_are_checked():
    with pytest.raises(InputError, match="label_set='mood'"):
        DemoSettings(label_set="mood")
    with pytest.raises(InputError, match="rare_below=2"):
        DemoSettings(rare_below=2)
