"""The page in a browser: files, the microphone, what it says, and how it is used."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile

# As much in each third of the bands.
CHORD = (300, 1000, 1500, 4000, 6000, 7000)


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


def _opened(page, address):
    """Open the page in a tab, and wait until it knows its model."""
    page.goto(address)
    page.locator("body[data-ready=yes]").wait_for()
    return page


@pytest.fixture
def page(new_page, server):
    return _opened(new_page(), server)


def _choose(page, path: Path) -> None:
    page.set_input_files("#file", path)


def _drop(page, path: Path) -> None:
    """Drop a file anywhere; Playwright itself can only drag elements."""
    files = page.evaluate_handle(
        """([name, text]) => { const files = new DataTransfer();
        const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
        files.items.add(new File([bytes], name)); return files; }""",
        [path.name, base64.b64encode(path.read_bytes()).decode()],
    )
    for kind in ("dragenter", "dragover", "drop"):
        page.dispatch_event("main", kind, {"dataTransfer": files})


def _settled(page) -> dict:
    """Wait for the answer, and return what the page shows."""
    page.locator("#verdict[aria-busy=false]").wait_for()
    return page.evaluate(
        """() => {
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
        }"""
    )


def _focused(page) -> str:
    return page.evaluate("document.activeElement.id")


def _style(page, selector: str, name: str) -> str:
    return page.locator(selector).evaluate(
        "(element, name) => getComputedStyle(element)[name]", name
    )


def test_a_file_is_shown_with_all_that_the_model_says(page, sounds, server):
    _choose(page, sounds / "low.wav")
    seen = _settled(page)
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
    _drop(page, sounds / "high.flac")
    seen = _settled(page)
    assert (seen["kind"], seen["answer"]) == ("answer", "sad")
    assert seen["caption"] == "high.flac, 3.0 s"


def test_not_to_know_is_said_first_and_the_guess_is_small(page, sounds):
    _choose(page, sounds / "chord.wav")
    seen = _settled(page)
    assert (seen["kind"], seen["answer"]) == ("abstain", "I do not know")
    assert seen["beside"].startswith("The most probable guess: ")
    sizes = [float(_style(page, name, "fontSize")[:-2]) for name in ("#answer", "#beside")]
    assert sizes[0] >= 1.5 * sizes[1]
    assert seen["numbers"]


@pytest.mark.parametrize("name", ["bad.wav", "text.txt"])
def test_what_the_model_cannot_use_says_why(page, sounds, name):
    _choose(page, sounds / "low.wav")
    page.locator("#verdict[data-kind=answer][aria-busy=false]").wait_for()
    _drop(page, sounds / name)
    page.locator("#verdict[data-kind=refused]").wait_for()
    seen = _settled(page)
    assert seen["answer"] == "This recording cannot be used"
    assert "WAV" in seen["beside"] or "fmt" in seen["beside"]
    # Nothing of the one before.
    assert not seen["numbers"]
    assert not seen["pictures"]


def test_the_microphone_is_recorded_by_the_keyboard_alone(page):
    expect = pytest.importorskip("playwright.sync_api").expect
    page.keyboard.press("Tab")
    assert _focused(page) == "record"
    assert _style(page, "#record", "outlineStyle") == "solid"
    page.keyboard.press("Enter")
    button = page.locator("#record")
    expect(button).to_have_text(re.compile(r"Stop \([1-9]"))
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator("#level").evaluate("level => level.value") > 0.1
    page.keyboard.press("Enter")
    expect(button).to_have_text("Record")
    seen = _settled(page)
    assert (seen["kind"], seen["answer"]) == ("answer", "angry")
    assert re.match(r"the recording, [1-9]\d?\.\d s", seen["caption"])


def test_files_are_reached_by_the_keyboard_and_answers_are_announced(page):
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert _focused(page) == "file"
    assert _style(page, "label[for=file]", "outlineStyle") == "solid"
    verdict = page.locator("#verdict")
    assert verdict.get_attribute("aria-live") == "polite"
    assert verdict.get_attribute("aria-atomic") == "true"


def test_a_voice_is_enrolled_by_neutral_sentences(new_page, start_server, adaptive_version, sounds):
    address, *_ = start_server(adaptive_version.parent)
    page = _opened(new_page(), address)
    calls = []
    page.on("request", lambda request: calls.append(request.post_data_json or {}))

    def probabilities() -> str:
        page.locator("#verdict[aria-busy=false]").wait_for()
        return page.inner_text("#bars")

    _choose(page, sounds / "low.wav")
    before = probabilities()
    page.click("#enroll")
    assert page.get_attribute("#enroll", "aria-pressed") == "true"
    for number, name in enumerate(("high.wav", "bad.wav", "chord.wav")):
        _choose(page, sounds / name)
        if name == "bad.wav":
            page.get_by_text("There is no answer").wait_for()
        else:
            page.get_by_text(f"So far: {min(number + 1, 2)}.").wait_for()

    def signatures() -> list[str]:
        return [call["signature_name"] for call in calls if call]

    last = [call for call in calls if call][-1]
    assert signatures()[-3:] == ["enroll"] * 3
    # The class number of neutral.
    assert [row["class_number"] for row in last["instances"]] == [1, 1]
    page.click("#enroll")
    page.get_by_text("Adapted to a voice by 2 recordings").wait_for()
    _choose(page, sounds / "low.wav")
    after = probabilities()
    assert signatures()[-1] == "enrolled"
    page.click("#forget")
    assert _focused(page) == "enroll"
    assert page.is_hidden("#forget")
    _choose(page, sounds / "low.wav")
    assert probabilities() == before != after
    assert signatures()[-1] == "serving_default"


@pytest.mark.parametrize(("width", "dark"), [(360, False), (900, True), (360, True)])
def test_on_a_phone_and_in_the_dark(new_page, server, sounds, width, dark):
    page = _opened(new_page(width, dark), server)
    _choose(page, sounds / "chord.wav")
    assert not _settled(page)["wide"]
    ground = "rgb(16, 21, 28)" if dark else "rgb(255, 255, 255)"
    assert _style(page, "body", "backgroundColor") == ground


def test_a_model_without_the_rest_of_the_signatures_is_enough(new_page, fake_service, run_app):
    page = _opened(new_page(), run_app(fake_service(lambda x: x)))
    assert "version 1: a, b" in page.locator("#model").text_content()


def test_a_token_is_asked_for_and_sent(new_page, fake_service, run_app, sounds):
    expect = pytest.importorskip("playwright.sync_api").expect
    page = new_page()
    page.goto(run_app(fake_service(lambda x: x, token="t0ken")))
    form, token = page.locator("#access"), page.locator("#token")
    expect(form).to_be_visible()
    assert "a valid token is missing" in page.locator("#model").text_content()
    token.fill("wrong")
    token.press("Enter")
    expect(form).to_be_visible()
    token.fill(" t0ken ")
    page.get_by_role("button", name="Continue").click()
    page.locator("body[data-ready=yes]").wait_for()
    expect(form).to_be_hidden()
    assert "version 1: a, b" in page.locator("#model").text_content()
    # The prediction carries it, too. This model takes no files, so that the test answers.
    sent = []

    def answer(route) -> None:
        sent.append(route.request.headers["authorization"])
        route.fulfill(json={"predictions": [{"status": "no sound"}]})

    page.route(re.compile(":predict$"), answer)
    _choose(page, sounds / "low.wav")
    assert _settled(page)["beside"] == "no sound"
    assert sent == ["Bearer t0ken"]
