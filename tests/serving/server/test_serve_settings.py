import pytest

from serkit.errors import InputError
from serkit.serving.server.settings import ServeSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("name", "a/b"), ("name", "a:b"), ("name", "a b"), ("versions", "some")),
        *(("max_batch", 0), ("batch_delay", -1), ("queue", 0), ("time_out", 0), ("max_bytes", 10)),
        *(("time_out", float("nan")), ("batch_delay", float("inf"))),
    ],
)
def test_values_out_of_range_are_named(name, value):
    with pytest.raises(InputError, match=name):
        ServeSettings(**{name: value})


def test_any_name_that_can_stand_in_an_address():
    assert ServeSettings(name="größe-1.2%").name == "größe-1.2%"
