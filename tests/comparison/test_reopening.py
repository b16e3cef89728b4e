import pytest

from serkit.comparison.engine import Comparison
from serkit.comparison.generators import GanTraining
from serkit.comparison.reopening import reopened, workshop_of
from serkit.comparison.trainings import Training
from serkit.errors import InputError


def test_every_piece_is_found_again_by_its_name(pretended):
    comparison, _ = pretended
    workshop = workshop_of(comparison)
    pieces = [work for _, work in comparison._pieces(comparison.arms, (0, 1))]
    assert {type(work) for work in pieces} == {Training, GanTraining}
    for work in (pieces[0], pieces[len(pieces) // 2], pieces[-1]):
        name = work.place.relative_to(workshop.cache).as_posix()
        found = workshop.reopen(workshop.out, workshop.cache, name)
        assert found is not work
        assert (found.key, found.title, found.needs) == (work.key, work.title, work.needs)
    for folder, inner in workshop.inputs:
        assert (getattr(workshop, folder) / inner).exists()


def test_what_a_piece_needs_comes_before_it(pretended):
    comparison, _ = pretended
    seen = set()
    for _, work in comparison._pieces(comparison.arms, (0,)):
        assert set(work.needs) <= seen
        seen.add(work.place)
    assert any(work.needs for _, work in comparison._pieces(comparison.arms, (0,)))


def test_a_name_of_something_else_is_refused(pretended):
    comparison: Comparison = pretended[0]
    with pytest.raises(InputError, match=r"no work of this comparison is at trainings/x"):
        reopened(comparison.settings, comparison.out, comparison.cache, "trainings/x")
