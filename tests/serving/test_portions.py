from serkit.serving.client import batches
from serkit.serving.prediction import Example
from serkit.serving.retries import ClientSettings


def _split(values, examples=3, most_bytes=10, shape=lambda value: None):
    settings = ClientSettings(batch_examples=examples, batch_bytes=most_bytes)
    given = [v if isinstance(v, Example) else Example(str(n), v) for n, v in enumerate(values)]
    found = list(batches(given, settings, len, shape))
    assert [one for batch in found for one in batch] == given
    return [len(batch) for batch in found]


def test_neither_too_many_nor_too_much():
    assert _split([b"1"] * 7) == [3, 3, 1]
    assert _split([b"12345"] * 5) == [2, 2, 1]
    assert _split([b"1" * 10, b"", b"1" * 10]) == [2, 1]
    assert _split([]) == []


def test_what_is_too_much_by_itself_goes_alone():
    assert _split([b"1", b"1" * 50, b"1"]) == [1, 1, 1]


def test_problems_weigh_nothing_and_have_no_shape():
    bad = Example("bad", b"1" * 99, "gone")
    assert _split([b"1" * 10, bad, bad, b"1"]) == [3, 1]
    assert _split([b"1", bad, b"22"], shape=len) == [2, 1]


def test_one_shape_at_a_time():
    assert _split([b"1", b"2", b"33", b"44", b"5"], shape=len) == [2, 2, 1]


def test_files_are_read_as_they_are_needed():
    read = []

    def reading():
        for number in range(9):
            read.append(number)
            yield Example(str(number), b"1")

    next(batches(reading(), ClientSettings(batch_examples=3), len))
    # One more tells that the batch is full.
    assert read == [0, 1, 2, 3]
