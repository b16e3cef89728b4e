// The page: what is recorded or chosen is sent to the server, and its predictions are shown.

import { clock, drawImage, drawWave, drawWindows, showTimes, spectrogramImage } from "./drawing.js";
import {
  curlLine, enroll, loadModel, model, predictRecordings, request, setToken, token,
  voice,
} from "./server.js";
import { decode, record, toBase64, writeWav } from "./sound.js";
import { addRow, cells, clearRows, element, saveCsv, summary, word } from "./table.js";
import { LONG_SECONDS, predictWindows, toMoments } from "./timeline.js";
import { showPrediction, showVerdict } from "./verdict.js";

// The recording on the page, kept to be drawn again in another size or colour; null if there is
// none. `windows` is empty unless it is long.
let drawn = null;
// Whether further recordings are enrolled.
let isEnrolling = false;
// What the tables hold, for their CSV files: a name, and predictions with a file.
const tables = { files: null, moments: null };
// Number of the latest choice of the user. The predictions of an earlier one are not shown.
let latestNumber = 0;

function showVoice() {
  const count = voice.recordings.length;
  const used = `${count} recording${count === 1 ? "" : "s"}`;
  const kind = (model.classes ?? []).includes("neutral")
    ? "three sentences in a neutral voice" : "five sentences with various emotions";
  element("enroll").textContent = isEnrolling ? "Done" : "Adapt to a voice";
  element("enroll").setAttribute("aria-pressed", String(isEnrolling));
  element("forget").hidden = !count;
  element("voice-state").textContent = isEnrolling
    ? `Record or choose ${kind}. So far: ${count}.`
    : count ? `Adapted to a voice by ${used}. Further recordings must be of this speaker.` : "";
}

async function start() {
  try {
    const signatures = await loadModel();
    element("access").hidden = true;
    element("voice").hidden = !signatures.includes("enrolled");
  } catch (error) {
    // After another start the server may ask for a token, or for another one.
    element("access").hidden = error.status !== 401;
    element("model").textContent = `No model: ${error.message}`;
    // The model is being loaded, or the server is being restarted: try again.
    if (error.status !== 401) setTimeout(start, 2000);
    return;
  }
  element("model").textContent = `Model ${model.serving.name}, version ${model.serving.version}` +
    (model.classes ? `: ${model.classes.join(", ")}` : "");
  element("card").hidden = !model.serving.has_card;
  element("curl").textContent = curlLine();
  element("with-token").hidden = !token;
  element("copy").hidden = !navigator.clipboard;
  element("ask").hidden = false;
  const canRecord = Boolean(navigator.mediaDevices?.getUserMedia);
  element("record").disabled = !canRecord;
  if (!canRecord)
    hint("Recording needs a page from this machine (127.0.0.1, localhost) or one by HTTPS.");
  document.body.dataset.ready = "yes";
}

function hint(text) {
  element("hint").textContent = text;
}

/** Show a fraction of the work in the progress bar; hide the bar if it is 0 or 1. */
function showProgress(fraction) {
  element("progress").hidden = fraction === 0 || fraction === 1;
  element("progress").value = fraction;
}

function draw() {
  if (!drawn) return;
  const { sound, image, windows } = drawn;
  drawWave(element("wave"), sound.samples);
  drawImage(element("spectrogram"), image);
  if (windows.length)
    drawWindows(element("windows"), windows, windows[0].prediction.probabilities.length);
}

/** Show a recording: its sound, and its drawings along one axis of time. */
function showSound(sound, file, name) {
  const { samples, rate } = sound;
  const seconds = samples.length / rate;
  const { low_hz: low = 0, high_hz: high = (model.spec?.sample_rate ?? 16_000) / 2 } =
    model.spec ?? {};
  drawn = { sound, image: spectrogramImage(samples, rate, low, high), windows: [] };
  URL.revokeObjectURL(element("player").src);
  element("player").src = URL.createObjectURL(file);
  element("pictures").hidden = false;
  element("wave-caption").textContent = `${name}, ${seconds.toFixed(1)} s`;
  element("spectrogram-caption").textContent =
    `Waveform and spectrogram: ${low} to ${high} Hz from bottom to top (mel scale), loud is bright.`;
  element("hertz").firstElementChild.textContent = `${high} Hz`;
  element("hertz").lastElementChild.textContent = `${low} Hz`;
  element("classes").hidden = element("windows").hidden = true;
  showTimes(element("times"), seconds);
  draw();
}

/** Show windows of the recording below its spectrogram. */
function showWindows(windows) {
  drawn.windows = windows;
  const { probabilities } = windows[0].prediction;
  const names = model.classes ?? probabilities.map((_, n) => `class ${n}`);
  element("classes").replaceChildren(...[...names, "abstains"].map(name => {
    const row = document.createElement("li");
    row.textContent = row.title = name;
    return row;
  }));
  element("windows").style.height = `${1.4 * (names.length + 1)}rem`;
  element("classes").hidden = element("windows").hidden = false;
  draw();
}

/** Show the moments of a long recording, and how long each emotion lasts. */
function showMoments(windows, name) {
  const { samples, rate } = drawn.sound;
  const seconds = samples.length / rate;
  const moments = toMoments(windows);
  const sums = summary(moments.map(({ from, to, prediction }) =>
    [word(prediction), (to - from) * seconds]), "\u00a0s");
  const note = `This recording has ${Math.round(seconds)} seconds. Its moments are below.`;
  const answers = moments.filter(({ prediction }) => !prediction.status && !prediction.abstain);
  const labels = new Set(answers.map(({ prediction }) => word(prediction)));
  const [label] = labels;
  if (labels.size > 1)
    showVerdict("timeline", "The emotion changes over time", { beside: sums, note });
  else if (label) {
    const when = moments.length === 1 ? "all of the time" : "where there is an answer";
    showVerdict("timeline", `${label} ${when}`, { beside: sums, note });
  } else showVerdict("abstain", "I do not know", { beside: sums, note,
    reason: "There is no part of the recording on which the model gives an answer." });
  clearRows("moments");
  for (const { from, to, prediction } of moments) {
    const text = `${clock(from * seconds)} – ${clock(to * seconds)}`;
    addRow("moments", text, "Play from here", () => {
      element("player").currentTime = from * seconds;
      element("player").play();
    }, cells(prediction));
  }
  tables.moments = [`${name}.timeline.csv`, windows.map(({ start, end, prediction }) =>
    ({ file: name, start, end, ...prediction }))];
  element("moments").hidden = false;
}

/** Hide what is shown of the recording before. */
function clearRecording() {
  drawn = null;
  for (const id of ["numbers", "pictures", "moments"]) element(id).hidden = true;
}

/**
 * Decode a file; return its sound, null if the browser cannot decode it, and the file to send.
 *
 * A WAV file is sent unchanged, another file as a WAV file of what the browser decodes. A file that
 * it cannot decode is sent unchanged, too; the model reports the problem.
 */
async function read(blob) {
  const sound = await decode(blob);
  return { sound, file: sound && !sound.isWav ? writeWav(sound.samples, sound.rate) : blob };
}

/** Encode a file for a request. */
function encode(file) {
  if (!file.size) throw new Error("the file is empty");
  if (file.size * 4 / 3 + 200 > model.serving.max_bytes)
    throw new Error("the recording is too long for this server");
  return toBase64(file);
}

/** Predict a file that was read. */
async function predictFile({ sound, file }) {
  const [prediction] = await predictRecordings([await encode(file)]);
  if (prediction.status && !sound)
    prediction.status = `neither the browser nor the model can read it (${prediction.status})`;
  return prediction;
}

/** Run what the user chose last: not after a later choice, and with errors shown on the page. */
async function run(text, work) {
  const number = ++latestNumber;
  element("verdict").setAttribute("aria-busy", "true");
  hint(text);
  showProgress(0);
  try {
    await work(() => number === latestNumber);
  } catch (error) {
    if (number !== latestNumber) return;
    clearRecording();
    showVerdict("refused", "There is no answer", { beside: error.message });
    element("access").hidden = error.status !== 401;
  } finally {
    if (number === latestNumber) {
      hint("");
      showProgress(0);
      element("verdict").setAttribute("aria-busy", "false");
    }
  }
}

/** Predict a recording and show the prediction; of a long one, those of its windows. */
const showRecording = (blob, name) => run(`Listening to ${name} …`, async isLatest => {
  const { sound, file } = await read(blob);
  if (!isLatest()) return;
  if (sound && sound.samples.length > LONG_SECONDS * sound.rate) {
    clearRecording();
    element("verdict").hidden = true;
    showSound(sound, file, name);
    let windows;
    for await (const found of predictWindows(sound)) {
      if (!isLatest()) return;
      ({ windows } = found);
      showWindows(windows);
      showProgress(found.done);
    }
    showMoments(windows, name);
    return;
  }
  const prediction = await predictFile({ sound, file });
  if (!isLatest()) return;
  clearRecording();
  showPrediction(prediction);
  if (sound?.samples.length) showSound(sound, file, name);
});

/** Predict several files, and show them in a table. */
const showFiles = files => run(`Listening to ${files.length} files …`, async isLatest => {
  clearRecording();
  clearRows("files");
  element("verdict").hidden = true;
  element("files").hidden = false;
  element("files-summary").textContent = "";
  const rows = [];
  tables.files = ["predictions.csv", rows];
  for (const blob of files) {
    const { sound, file } = await read(blob);
    let prediction;
    try {
      prediction = await predictFile({ sound, file });
    } catch (error) {
      prediction = { status: error.message };
    }
    if (!isLatest()) return;
    rows.push({ file: blob.name, ...prediction });
    const seconds = (sound?.samples.length ?? 0) / (sound?.rate ?? 1);
    const note = seconds > LONG_SECONDS
      ? `${Math.round(seconds)} s long: its name shows the emotion over time` : "";
    const button = addRow("files", blob.name, "Show this file", async () => {
      await showRecording(blob, blob.name);
      element("verdict").scrollIntoView({ block: "nearest" });
    }, cells(prediction, note));
    // Until the last file: to show one would end the work.
    button.disabled = true;
    showProgress(rows.length / files.length);
  }
  for (const button of element("files").querySelectorAll("tbody button")) button.disabled = false;
  element("files-summary").textContent =
    `${files.length} files: ${summary(rows.map(row => [word(row), 1]))}`;
});

const enrollFiles = files => run("Listening to the voice …", async isLatest => {
  for (const blob of files) {
    const { file } = await read(blob);
    await enroll(await encode(file));
    if (isLatest()) showVoice();
  }
});

/** Do what the user wants with chosen, dropped or recorded files. */
function take(files, name = "") {
  if (!model || !files.length) return;
  if (isEnrolling) {
    enrollFiles(files);
    return;
  }
  element("files").hidden = true;
  if (files.length > 1) showFiles(files);
  else showRecording(files[0], name || files[0].name);
}

// Function that stops the recording; null if there is none.
let stopRecording = null;
// Whether the browser is asking the user for the microphone.
let isStarting = false;

async function toggleRecording() {
  const button = element("record");
  if (stopRecording) {
    stopRecording();
    return;
  }
  // Ignore further clicks. A disabled button would lose the keyboard's focus.
  if (isStarting) return;
  isStarting = true;
  try {
    stopRecording = await record((seconds, loudness) => {
      button.textContent = `Stop (${seconds.toFixed(1)} s)`;
      element("level").value = Math.sqrt(loudness);
    }, wav => {
      stopRecording = null;
      button.textContent = "Record";
      button.setAttribute("aria-pressed", "false");
      element("level").hidden = true;
      take([wav], "the recording");
    });
    button.textContent = "Stop";
    button.setAttribute("aria-pressed", "true");
    element("level").hidden = false;
    hint("Recording; press Stop, or wait a minute.");
  } catch (error) {
    hint(`The microphone cannot be used: ${error.message}`);
  } finally {
    isStarting = false;
  }
}

element("access").addEventListener("submit", event => {
  event.preventDefault();
  setToken(element("token").value.trim());
  start();
});
element("record").addEventListener("click", toggleRecording);
element("enroll").addEventListener("click", () => {
  isEnrolling = !isEnrolling;
  showVoice();
});
element("forget").addEventListener("click", () => {
  Object.assign(voice, { recordings: [], speaker: null });
  showVoice();
  element("enroll").focus();
});
element("file").addEventListener("change", ({ target }) => {
  take([...target.files]);
  // Without this, the browser would send no event if the user chooses the same file again.
  target.value = "";
});
element("examples").addEventListener("click", ({ target }) => {
  if (!model || !target.value) return;
  const name = `synthetic voice, ${target.textContent}`;
  request(`examples/${target.value}`).then(response => response.blob())
    .then(blob => take([blob], name), error => hint(`There is no example: ${error.message}`));
});
for (const id of Object.keys(tables))
  element(id).querySelector(".save").addEventListener("click", () => saveCsv(...tables[id]));
element("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(element("curl").textContent);
  element("copied").textContent = "Copied";
});
element("card").querySelector("a").addEventListener("click", async event => {
  // A link carries no token.
  if (!token) return;
  event.preventDefault();
  const card = await (await request("model-card.md")).blob();
  open(URL.createObjectURL(card));
});
for (const kind of ["dragenter", "dragover"])
  addEventListener(kind, event => {
    event.preventDefault();
    document.body.classList.add("over");
  });
for (const kind of ["dragleave", "drop"])
  addEventListener(kind, event => {
    event.preventDefault();
    if (kind === "drop" || !event.relatedTarget) document.body.classList.remove("over");
  });
addEventListener("drop", event => {
  take([...event.dataTransfer.files]);
});
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
start();
