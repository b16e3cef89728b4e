import io
import sys

import pytest

from serkit.cli.main import main


@pytest.fixture
def downloaded(monkeypatch):
    """Stands in for the download itself, which tests/corpora/test_download.py is about."""
    calls = []

    def download(source, to, **options):
        calls.append((source.name, str(to)))
        return to / source.name

    monkeypatch.setattr("serkit.datasets.download.download", download)
    return calls


def _answer(monkeypatch, text: str) -> None:
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(text))


@pytest.mark.parametrize(
    ("corpus", "words"),
    [
        ("ravdess", ("CC BY-NC-SA 4.0", "Livingstone", "1440 recordings", "208 MB")),
        ("tess", ("CC BY-NC-ND 4.0", "Pichora-Fuller", "2800 recordings")),
        ("crema-d", ("ODbL", "Cao H", "7442 recordings", "606 MB")),
    ],
)
def test_licence_and_citation_are_shown_before_the_download(corpus, words, downloaded, capsys):
    assert main(["download", corpus, "--out", "there", "--yes"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in words)
    assert downloaded == [(corpus, "there")]


def test_the_user_is_asked_for_consent(downloaded, monkeypatch, capsys):
    _answer(monkeypatch, "n\n")
    assert main(["download", "ravdess"]) == 2
    assert "was not accepted" in capsys.readouterr().err
    assert downloaded == []
    _answer(monkeypatch, "Yes\n")
    assert main(["download", "ravdess"]) == 0
    assert downloaded == [("ravdess", "data")]


def test_without_a_terminal_no_licence_is_accepted(downloaded, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["download", "tess"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert downloaded == []


def test_savee_is_provided_on_request_only(capsys):
    assert main(["download", "savee", "--yes"]) == 2
    assert "http://kahlan.eps.surrey.ac.uk/savee/Download.html" in capsys.readouterr().err
    assert main(["download", "iemocap"]) == 2
    assert "crema-d, ravdess, tess" in capsys.readouterr().err
