"""The page in a browser: files, the microphone, what it says, and how it is used."""

import base64
import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile

import serkit
from serkit.serving.client import connect

# As much in each third of the bands.
CHORD = (300, 1000, 1500, 4000, 6000, 7000)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory, tone) -> Path:
    """Files by name; long.wav has a low tone, a high tone and the chord, fifteen seconds in all."""
    folder = tmp_path_factory.mktemp("sounds")
    (folder / "low.wav").write_bytes(tone(200))
    (folder / "high.wav").write_bytes(tone(6000, 2))
    chord = sum(np.sin(2 * np.pi * f / 16_000 * np.arange(48_000)) for f in CHORD)
    soundfile.write(folder / "chord.wav", 0.1 * chord, 16_000)
    sine = 0.3 * np.sin(2 * np.pi * 6000 / 44_100 * np.arange(132_300))
    soundfile.write(folder / "high.flac", np.stack([sine, sine], 1), 44_100)
    (folder / "bad.wav").write_bytes(b"RIFF\x24\0\0\0WAVE" + b"\0" * 40)
    (folder / "text.txt").write_text("<b>not a sound</b>")
    (folder / "empty.wav").touch()
    time = np.arange(96_000) / 16_000
    waves = [np.sin(2 * np.pi * hertz * time) for hertz in (200, 6000)]
    long = 0.3 * np.concatenate([*waves, chord / len(CHORD)])
    soundfile.write(folder / "long.wav", np.stack([long, long], 1), 16_000)
    return folder


def _opened(page, address):
    """Open the page in a tab, and wait until it knows its model."""
    page.goto(address)
    page.locator("body[data-ready=yes]").wait_for()
    return page


@pytest.fixture(scope="module")
def adaptive_server(start_server, adaptive_version) -> str:
    return start_server(adaptive_version.parent)[0]


@pytest.fixture
def page(new_page, server):
    return _opened(new_page(), server)


def _choose(page, *paths: Path) -> None:
    page.set_input_files("#file", paths)


def _rows(page, section: str) -> list[list[str]]:
    """Return the texts of a table."""
    return page.evaluate(
        """section => [...document.querySelectorAll(`#${section} tbody tr`)].map(
        row => [...row.cells].map(cell => cell.innerText))""",
        section,
    )


def _saved(page, section: str) -> list[dict[str, str]]:
    """Save a table as CSV, and return its rows."""
    with page.expect_download() as download:
        page.click(f"#{section} .save")
    return list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8"))))


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
    page.locator("#verdict[aria-busy=false]").wait_for(state="attached")
    return page.evaluate(
        """() => {
        const text = id => document.getElementById(id).innerText;
        const seen = id => document.getElementById(id).checkVisibility();
        const rows = id => [...document.querySelectorAll(`#${id} li`)].map(
          row => [...row.children].map(cell => cell.innerText));
        const inked = id => { const c = document.getElementById(id);
          // Chromium warns where a canvas itself is read several times.
          const copy = new OffscreenCanvas(c.width, c.height).getContext("2d");
          copy.drawImage(c, 0, 0);
          const d = copy.getImageData(0, 0, c.width, c.height).data;
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
    assert page.inner_text("#reason").startswith("The model abstains because")
    sizes = [float(_style(page, name, "fontSize")[:-2]) for name in ("#answer", "#beside")]
    assert sizes[0] >= 1.5 * sizes[1]
    assert seen["numbers"]


def _answered(page, **fields) -> None:
    """Let all predictions of the page be these."""
    row = {"abstain": False, "status": "", "note": "", "mutual_information": 0.0, **fields}
    page.route(re.compile(":predict$"), lambda route: route.fulfill(json={"predictions": [row]}))


def test_the_size_of_the_label_follows_its_probability(page, sounds):
    sizes = []
    for probabilities in ([0.24, 0.38, 0.38], [0.05, 0.0, 0.95]):
        _answered(page, probabilities=probabilities, entropy=0.5)
        _choose(page, sounds / "low.wav")
        assert _settled(page)["kind"] == "answer"
        sizes.append(float(_style(page, "#answer", "fontSize")[:-2]))
    assert sizes[1] > 1.6 * sizes[0]
    assert (
        page.inner_text("#next")
        == "Next: angry 5.0\N{NO-BREAK SPACE}%, happy 0.0\N{NO-BREAK SPACE}%"
    )


def test_an_abstention_says_which_limit_was_passed(new_page, server, sounds):
    page = new_page()
    answers = {"threshold": 0.5 * np.log(3), "ood_threshold": 2.0}
    details = requests.get(f"{server}model.json", timeout=10).json() | {"answers": answers}
    page.route(re.compile("model.json$"), lambda route: route.fulfill(json=details))
    _opened(page, server)
    for fraction, reason in ((0.8, "80\N{NO-BREAK SPACE}% of its maximum"), (0.4, "unlike all")):
        entropy = fraction * np.log(3)
        _answered(page, probabilities=[0.2, 0.3, 0.5], entropy=entropy, abstain=True)
        _choose(page, sounds / "low.wav")
        assert _settled(page)["kind"] == "abstain"
        assert reason in page.inner_text("#reason")


def test_several_files_are_a_table_that_can_be_saved(page, sounds):
    names = ["low.wav", "chord.wav", "long.wav", "text.txt", "empty.wav"]
    _choose(page, *(sounds / name for name in names))
    page.get_by_text("5 files: ").wait_for()
    rows = _rows(page, "files")
    assert [row[0] for row in rows] == names
    assert rows[0][1] == "angry"
    assert rows[1][1] == "abstains"
    assert rows[1][3].startswith("most probable: ")
    assert rows[2][3].startswith("15 s long")
    assert [row[1] for row in rows[3:]] == ["cannot be used"] * 2
    saved = _saved(page, "files")
    assert [row["file"] for row in saved] == names
    assert [row["abstain"] for row in saved] == [
        "False",
        "True",
        saved[2]["abstain"],
        "True",
        "True",
    ]
    assert list(saved[0])[-4:] == ["problem", "p_angry", "p_happy", "p_sad"]
    assert rows[0][2] == f"{100 * float(saved[0]['p_angry']):.0f}\N{NO-BREAK SPACE}%"
    assert saved[4]["problem"] == "the file is empty"
    # A file of the table is shown, and the table stays.
    page.get_by_role("button", name="low.wav").click()
    page.locator("#verdict[data-kind=answer]").wait_for()
    assert _settled(page)["caption"] == "low.wav, 3.0 s"
    assert page.is_visible("#files")


def test_a_long_recording_has_the_windows_of_a_timeline(new_page, adaptive_server, sounds):
    page = _opened(new_page(), adaptive_server)
    _choose(page, sounds / "long.wav")
    page.locator("#moments").wait_for()
    with connect(f"{adaptive_server}v1/models/mine") as client:
        expected = list(serkit.timeline(client, sounds / "long.wav"))
    saved = _saved(page, "moments")
    assert len(saved) == len(expected) == 13
    for row, moment in zip(saved, expected, strict=True):
        assert (float(row["start"]), float(row["end"])) == (moment.start, moment.end)
        assert (row["label"], row["abstain"]) == (moment.label, str(moment.abstain))
        assert float(row["p_sad"]) == pytest.approx(moment.probabilities["sad"], abs=1e-4)


def test_windows_of_one_emotion_are_a_moment(page, sounds):
    _choose(page, sounds / "long.wav")
    page.locator("#moments").wait_for()
    assert _settled(page)["kind"] == "timeline"
    moments = _rows(page, "moments")
    assert [row[1] for row in moments if row[1] != "abstains"] == ["angry", "sad"]
    assert moments[0][0].startswith("0:00 – 0:0")
    assert moments[-1][1] == "abstains"
    assert moments[-1][0].endswith("0:15")
    page.locator("#moments tbody button").last.click()
    assert page.evaluate("document.getElementById('player').currentTime") > 9


def test_drawings_share_one_axis(page, sounds):
    _choose(page, sounds / "long.wav")
    page.locator("#moments").wait_for()
    edges = page.evaluate(
        """["wave", "spectrogram", "windows", "times"].map(id => {
        const box = document.getElementById(id).getBoundingClientRect();
        return `${box.left} ${box.right}`; })"""
    )
    assert len(set(edges)) == 1
    # The second sound, of 6000 Hz, is the first that is loud at the top of the spectrogram.
    onset = page.evaluate(
        """() => { const c = document.getElementById("spectrogram");
        const height = Math.round(0.15 * c.height);
        const reds = c.getContext("2d").getImageData(0, 0, c.width, height).data
          .filter((_, n) => n % 4 === 0);
        const columns = [...reds.keys()].filter(n => reds[n] > 200).map(n => n % c.width);
        return 15 * Math.min(...columns) / c.width; }"""
    )
    assert onset == pytest.approx(6.0, abs=0.2)


def test_examples_need_no_recording(page):
    page.click("#examples button[value='angry.wav']")
    page.locator("#pictures").wait_for()
    assert _settled(page)["kind"] in ("answer", "abstain")
    page.click("#examples button[value='several.wav']")
    page.locator("#moments").wait_for()
    assert page.inner_text("#wave-caption").startswith("synthetic voice, several in a row")


def test_the_line_for_a_shell_works(page, sounds, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("no curl")
    shutil.copy(sounds / "high.wav", tmp_path / "speech.wav")
    line = page.locator("#curl").text_content()
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout)["predictions"][0]["label"] == "sad"


def test_the_model_card_is_linked(new_page, adaptive_server):
    page = _opened(new_page(), adaptive_server)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Model card").click()
    assert opened.value.locator("body").text_content().startswith("# mine, version 1")


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


def test_a_voice_is_enrolled_by_neutral_sentences(new_page, adaptive_server, sounds):
    page = _opened(new_page(), adaptive_server)
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


# Words that are on two lines, also those of a label that is cut at a letter.
_BROKEN_WORDS = """() => {
    const broken = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const node = texts.currentNode;
      // Names of files and the line for a shell may be broken anywhere.
      if (node.parentElement.closest("pre, #files th button") ||
          !node.parentElement.checkVisibility()) continue;
      for (const { 0: word, index } of node.data.matchAll(/[\\p{L}\\d%]+/gu)) {
        const range = document.createRange();
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1)
          broken.push(word);
      }
    }
    return broken; }"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_readable_at_all_widths_in_light_and_dark(new_page, server, sounds, width, dark):
    page = _opened(new_page(width, dark), server)
    page.evaluate("document.getElementById('ask').open = true")
    several = [sounds / name for name in ("low.wav", "chord.wav", "long.wav", "text.txt")]
    for paths in (
        [],
        ["low.wav"],
        ["chord.wav"],
        ["text.txt"],
        ["empty.wav"],
        ["long.wav"],
        several,
    ):
        if paths:
            _choose(page, *(sounds / path for path in paths))
            page.locator("#hint:empty").wait_for(state="attached")
        assert not _settled(page)["wide"], paths
        assert page.evaluate(_BROKEN_WORDS) == [], paths
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
