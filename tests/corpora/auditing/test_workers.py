from serkit.corpora.auditing import workers
from serkit.corpora.auditing.probe import Probe, probe
from serkit.corpora.findings import Unusable


def test_many_processes_give_what_one_gives_in_the_same_order(plant, monkeypatch):
    files = {f"{n:03}.wav": None for n in range(150)}
    root = plant(files | {"077.wav": b"", "140.wav": b"<html>"})
    paths = [str(root / name) for name in files]
    one = list(workers.probe_all(paths))
    monkeypatch.setattr(workers, "_WORTH_PROCESSES", 1)
    assert list(workers.probe_all(paths)) == one
    assert one[3] == probe(paths[3])
    assert [n for n, found in enumerate(one) if not isinstance(found, Probe)] == [77, 140]
    assert one[140][0] == "html"


def test_no_files_are_no_work():
    assert list(workers.probe_all([])) == []


def test_what_is_wrong_with_a_file_is_its_result():
    def measure(file: str) -> int:
        if file == "b":
            raise Unusable("html", "a web page")
        return len(file)

    found = workers.measure_all(measure, ["a", "b", "ccc"], worth_processes=9, chunk=2)
    assert list(found) == [1, ("html", "a web page"), 3]
