import keras_tuner
import pytest

from serkit.errors import InputError
from serkit.studies.tuning.classifier_objective import ClassifierSearch
from serkit.studies.tuning.gan_objective import GanSearch
from serkit.studies.tuning.tuning import SPACES, make_objective, space_of


@pytest.mark.parametrize("kind", SPACES)
def test_every_kind_has_something_to_beat_that_its_space_is_around(tmp_path, kind):
    is_gan = kind in ("dcgan", "wgan-gp")
    search = GanSearch(("x",), kind=kind) if is_gan else ClassifierSearch(("x",))
    objective = make_objective(kind, search, tmp_path)
    hp = keras_tuner.HyperParameters()
    found = space_of(kind, objective.base)(hp)
    assert type(found) is type(objective.base)
    assert len(hp.space) >= 4


@pytest.mark.parametrize(
    ("kind", "search"),
    [("classifier", GanSearch(("x",))), ("dcgan", GanSearch(("x",), kind="wgan-gp"))],
)
def test_a_search_for_something_else_is_refused(tmp_path, kind, search):
    with pytest.raises(InputError, match=f"is no search for {kind}"):
        make_objective(kind, search, tmp_path)
