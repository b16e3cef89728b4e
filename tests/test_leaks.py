import pytest

from serkit.datasets.splits import Speakers
from serkit.errors import LeakError

ABC = (frozenset("ab"), frozenset("c"), frozenset("d"))


@pytest.mark.parametrize("parts", [("ab", "b", "c"), ("ab", "c", "b"), ("a", "b", "b")])
def test_shared_speakers_are_refused_by_name(parts):
    with pytest.raises(LeakError, match=r"more than one part: b$"):
        Speakers(*map(frozenset, parts))
    assert Speakers(*map(frozenset, parts), leaky=True).shared() == ["b"]


def test_each_part_takes_its_own_speakers_only():
    speakers = Speakers(*ABC)
    speakers.require_training(["a", "b", "a"])
    speakers.require_validation(["c"])
    speakers.require_test({"d"})
    with pytest.raises(LeakError, match="not training speakers: c, d"):
        speakers.require_training(["a", "d", "c"])
    with pytest.raises(LeakError, match="not validation speakers: a, d"):
        speakers.require_validation("acd")
    with pytest.raises(LeakError, match="not test speakers: a, c"):
        speakers.require_test("acd")
