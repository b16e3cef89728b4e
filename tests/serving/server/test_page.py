"""The page, in a browser: files, the microphone, what it says, and how it is used.

``SERKIT_SCREENSHOTS=folder`` keeps a picture of every test's last state.
"""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile

_CHROMIUM = os.environ.get("SERKIT_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# As much in each third of the bands.
CHORD = (300, 1000, 1500, 4000, 6000, 7000)
_SHOTS = os.environ.get("SERKIT_SCREENSHOTS")


class Browser:
    """Headless Chromium, told what to do by the DevTools protocol over a pair of pipes."""

    def __init__(self, folder: Path, *options: str) -> None:
        # What Chromium reads from and writes to has to be 3 and 4 there, whatever they are here.
        theirs_in, self._out = self._pipe()
        self._in, theirs_out = self._pipe()
        self._process = subprocess.Popen(
            [
                *(_CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio"),
                *("--remote-debugging-pipe", f"--user-data-dir={folder}", *options, "about:blank"),
            ],
            preexec_fn=lambda: (os.dup2(theirs_in, 3), os.dup2(theirs_out, 4)),
            pass_fds=(3, 4),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._numbers, self._buffer, self._session = itertools.count(1), b"", None
        self.errors: list[str] = []

    @staticmethod
    def _pipe() -> tuple[int, int]:
        ends = os.pipe()
        high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
        for end in ends:
            os.close(end)
        return high

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)
        self._process.kill()
        self._process.wait()

    def tell(self, method: str, **parameters) -> dict:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self._notice(answer)

    def _read(self) -> dict:
        while b"\0" not in self._buffer:
            assert select.select([self._in], [], [], 60)[0], "the browser says nothing"
            self._buffer += os.read(self._in, 2**20)
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _notice(self, event: dict) -> None:
        name, said = event.get("method", ""), event.get("params", {})
        if name == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(said["exceptionDetails"])[:500])
        elif name == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning"):
            self.errors.append(str(said["args"])[:500])
        elif name == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.errors.append(said["entry"]["text"])

    def open(self, address: str, width: int = 900, dark: bool = False) -> None:
        """A new page; it is ready when it knows its model."""
        self._session = None
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Runtime", "Page", "Log", "DOM"):
            self.tell(f"{domain}.enable")
        self.errors.clear()
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme])
        self.tell("Page.navigate", url=address)
        self.wait("document.body?.dataset.ready === 'yes'")

    def value(self, expression: str):
        answer = self.tell(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not self.value(f"Boolean({condition})"):
            said = self.value("document.body?.innerText")
            assert time.monotonic() < deadline, (condition, self.errors, said)
            time.sleep(0.05)

    def choose(self, path: Path) -> None:
        root = self.tell("DOM.getDocument")["root"]["nodeId"]
        node = self.tell("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        self.tell("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def drop(self, path: Path) -> None:
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.tell("Input.dispatchDragEvent", type=kind, x=300, y=300, data=data)

    def press(self, key: str) -> None:
        codes = {"Tab": 9, "Enter": 13}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.tell(
                "Input.dispatchKeyEvent",
                **{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": codes[key]},
                **(text if kind == "keyDown" else {}),
            )

    def settled(self) -> dict:
        """What the page says once it has said all."""
        self.wait(
            "!document.getElementById('verdict').hidden"
            " && document.getElementById('verdict').getAttribute('aria-busy') === 'false'"
        )
        return self.value(
            """(() => {
            const text = id => document.getElementById(id).innerText;
            const seen = id => document.getElementById(id).checkVisibility();
            const rows = id => [...document.querySelectorAll(`#${id} li`)].map(
              row => [...row.children].map(cell => cell.innerText));
            const inked = id => { const c = document.getElementById(id);
              const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
              return new Set(new Uint32Array(d.buffer)).size; };
            return {kind: document.getElementById("verdict").dataset.kind, answer: text("answer"),
              beside: text("beside"), note: text("note"),
              bars: rows("bars"), shares: rows("shares"),
              numbers: seen("numbers"), pictures: seen("pictures"), caption: text("wave-caption"),
              wave: inked("wave"), spectrogram: inked("spectrogram"),
              drawn: seen("spectrogram"), said: text("spectrogram-caption"),
              wide: document.documentElement.scrollWidth > document.documentElement.clientWidth};
            })()"""
        )

    def keep(self, name: str) -> None:
        if _SHOTS:
            size = self.tell("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "scale": 1, "width": size["width"], "height": size["height"]}
            shot = self.tell("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
            Path(_SHOTS).mkdir(parents=True, exist_ok=True)
            (Path(_SHOTS) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory, tone) -> Path:
    """Files by name: low.wav, chord.wav, bad.wav, high.flac, low.ogg, text.txt."""
    folder = tmp_path_factory.mktemp("sounds")
    (folder / "low.wav").write_bytes(tone(200))
    (folder / "high.wav").write_bytes(tone(6000, 2))
    chord = sum(np.sin(2 * np.pi * f / 16_000 * np.arange(48_000)) for f in CHORD)
    soundfile.write(folder / "chord.wav", 0.1 * chord, 16_000)
    sine = 0.3 * np.sin(2 * np.pi * 6000 / 44_100 * np.arange(132_300))
    soundfile.write(folder / "high.flac", np.stack([sine, sine], 1), 44_100)
    (folder / "bad.wav").write_bytes(b"RIFF\x24\0\0\0WAVE" + b"\0" * 40)
    (folder / "text.txt").write_text("<b>not a sound</b>")
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory, sounds):
    if not _CHROMIUM:
        pytest.skip("no Chromium; set SERKIT_CHROMIUM to one")
    browser = Browser(
        tmp_path_factory.mktemp("profile"),
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-audio-capture={sounds / 'low.wav'}",
    )
    yield browser
    browser.close()


@pytest.fixture
def page(browser, server, request):
    """The page, opened; nothing may go wrong in it."""
    browser.open(server)
    yield browser
    browser.keep(request.node.name)
    assert browser.errors == []


def test_a_file_is_shown_with_all_that_the_model_says(page, sounds, server):
    page.choose(sounds / "low.wav")
    seen = page.settled()
    content = base64.b64encode((sounds / "low.wav").read_bytes()).decode()
    asked = {"instances": [{"b64": content}]}
    url = f"{server}v1/models/tones:predict"
    expected = requests.post(url, json=asked, timeout=30).json()["predictions"][0]
    assert (seen["kind"], seen["answer"]) == ("answer", "angry")
    share = max(expected["probabilities"])
    assert seen["beside"] == f"with a probability of {100 * share:.0f}\N{NO-BREAK SPACE}%"
    # The most probable first.
    assert [row[0] for row in seen["bars"]] == ["angry", "sad", "happy"]
    entropy = 100 * expected["entropy"] / np.log(3)
    assert seen["shares"][0] == ["Entropy", "", f"{entropy:.0f}\N{NO-BREAK SPACE}%"]
    assert seen["shares"][1][0] == "Disagreement"
    assert seen["caption"] == "low.wav, 3.0 s"
    assert seen["drawn"]
    assert seen["wave"] >= 2
    assert seen["spectrogram"] > 50
    assert "20 to 8000 Hz" in seen["said"]
    assert not seen["wide"]


def test_a_file_may_be_dropped_and_need_not_be_a_wav(page, sounds):
    page.drop(sounds / "high.flac")
    seen = page.settled()
    assert (seen["kind"], seen["answer"]) == ("answer", "sad")
    assert seen["caption"] == "high.flac, 3.0 s"


def test_not_to_know_is_said_first_and_the_guess_is_small(page, sounds):
    page.choose(sounds / "chord.wav")
    seen = page.settled()
    assert (seen["kind"], seen["answer"]) == ("abstain", "I do not know")
    assert seen["beside"].startswith("The most probable guess: ")
    sizes = page.value(
        "['answer', 'beside'].map(id => parseFloat(getComputedStyle("
        "document.getElementById(id)).fontSize))"
    )
    assert sizes[0] >= 1.5 * sizes[1]
    assert seen["numbers"]


@pytest.mark.parametrize("name", ["bad.wav", "text.txt"])
def test_what_the_model_cannot_use_says_why(page, sounds, name):
    page.choose(sounds / "low.wav")
    page.settled()
    page.drop(sounds / name)
    page.wait("document.getElementById('verdict').dataset.kind === 'refused'")
    seen = page.settled()
    assert seen["answer"] == "This recording cannot be used"
    assert "WAV" in seen["beside"] or "fmt" in seen["beside"]
    # Nothing of the one before.
    assert not seen["numbers"]
    assert not seen["pictures"]


def test_the_microphone_is_recorded_by_the_keyboard_alone(page):
    page.press("Tab")
    assert page.value("document.activeElement.id") == "record"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.value(outline) == "solid"
    page.press("Enter")
    page.wait("document.getElementById('record').textContent.startsWith('Stop (1.')")
    assert page.value("document.getElementById('record').getAttribute('aria-pressed')") == "true"
    assert page.value("document.getElementById('level').value") > 0.1
    page.press("Enter")
    seen = page.settled()
    assert (seen["kind"], seen["answer"]) == ("answer", "angry")
    assert seen["caption"].startswith("the recording, 1.")
    assert page.value("document.getElementById('record').textContent") == "Record"


def test_files_are_reached_by_the_keyboard_and_answers_are_announced(page):
    page.press("Tab")
    page.press("Tab")
    assert page.value("document.activeElement.id") == "file"
    seen = "getComputedStyle(document.querySelector('label[for=file]')).outlineStyle"
    assert page.value(seen) == "solid"
    live = page.value(
        "['aria-live', 'aria-atomic'].map(n => document.getElementById('verdict').getAttribute(n))"
    )
    assert live == ["polite", "true"]


@pytest.mark.parametrize(("width", "dark"), [(360, False), (900, True), (360, True)])
def test_on_a_phone_and_in_the_dark(browser, server, sounds, width, dark):
    browser.open(server, width, dark)
    browser.choose(sounds / "chord.wav")
    seen = browser.settled()
    assert not seen["wide"]
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(16, 21, 28)" if dark else "rgb(255, 255, 255)")
    browser.keep(f"width-{width}-{'dark' if dark else 'light'}")
    assert browser.errors == []


def test_a_model_without_the_rest_of_the_signatures_is_enough(browser, fake_service, run_app):
    service = fake_service(lambda x: x)
    address = run_app(service)
    browser.open(address)
    assert "version 1: a, b" in browser.value("document.getElementById('model').textContent")
    assert browser.errors == []
