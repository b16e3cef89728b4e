import pytest

from serkit.errors import InputError
from serkit.serving.retries import ClientSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("connect_seconds", 0),
        ("read_seconds", -1.0),
        ("read_seconds", float("nan")),
        ("deadline_seconds", float("inf")),
        ("attempts", 0),
        ("pause_seconds", -0.1),
        ("longest_pause_seconds", 0.1),
        ("batch_examples", 0),
        ("batch_bytes", 0),
    ],
)
def test_what_is_out_of_range(name, value):
    with pytest.raises(InputError, match=name):
        ClientSettings(**{name: value})


def test_no_pause_at_all_is_valid():
    assert ClientSettings(pause_seconds=0, longest_pause_seconds=0).pause_seconds == 0
