// The page: sends a recording to the server and shows the prediction.

import { drawSpectrogram, drawWave } from "./drawing.js";
import { decode, isWav, record, toBase64, writeWav } from "./sound.js";

const element = id => document.getElementById(id);
const percent = fraction => `${(100 * fraction).toFixed(fraction < 0.0995 ? 1 : 0)}\u00a0%`;
// The content of model.json.
let model = null;
// The token that the server asks for; empty if it asks for none.
let token = "";
// The waveform and the spectrogram on the page, kept to be drawn again in another size or colour.
let drawn = { samples: null, frames: null };
// Recordings of a speaker, as base64, and what the model found out about the voice; and whether
// further recordings are enrolled.
let voice = { recordings: [], speaker: null, isEnrolling: false };
// Number of the latest recording. The prediction of an earlier one is not shown.
let latestNumber = 0;

/** Request an address of the server; return the JSON value of the response or throw its error. */
async function request(address, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(address, { ...options, headers });
  // After another start the server may ask for a token, or for another one.
  element("access").hidden = response.status !== 401;
  const text = await response.text();
  try {
    const value = JSON.parse(text);
    if (response.ok) return value;
    throw new Error(value.error);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Error(`the server answered ${response.status} ${text.slice(0, 100)}`);
  }
}

/** Return the outputs of a signature, a row for each instance. */
async function predict(signature, ...instances) {
  const address = `v1/models/${encodeURIComponent(model.serving.name)}:predict`;
  const body = JSON.stringify({ signature_name: signature, instances });
  const answer = await request(address, { method: "POST", body });
  return answer.predictions;
}

/** Predict a recording, of the enrolled speaker if there is one. */
async function predictRecording(content) {
  const file = { b64: content };
  const [prediction] = voice.speaker
    ? await predict("enrolled", { wav_bytes: file, speaker: voice.speaker })
    : await predict("serving_default", file);
  return prediction;
}

/** Estimate the voice of the speaker from a further recording. */
async function enroll(content) {
  const recordings = [...voice.recordings, content];
  // -1 where the model has no such class.
  const neutral = (model.classes ?? []).indexOf("neutral");
  const rows = await predict("enroll", ...recordings.map(recording =>
    ({ wav_bytes: { b64: recording }, class_number: neutral })));
  const { speaker, status } = rows.at(-1);
  if (status) throw new Error(status);
  voice = { ...voice, recordings, speaker };
}

function showVoice() {
  const count = voice.recordings.length;
  const used = `${count} recording${count === 1 ? "" : "s"}`;
  const kind = (model.classes ?? []).includes("neutral")
    ? "three sentences in a neutral voice" : "five sentences with various emotions";
  element("enroll").textContent = voice.isEnrolling ? "Done" : "Adapt to a voice";
  element("enroll").setAttribute("aria-pressed", String(voice.isEnrolling));
  element("forget").hidden = !count;
  element("voice-state").textContent = voice.isEnrolling
    ? `Record or choose ${kind}, one at a time. So far: ${count}.`
    : count ? `Adapted to a voice by ${used}. Further recordings must be of this speaker.` : "";
}

async function start() {
  try {
    model = await request("model.json");
    const address = `v1/models/${encodeURIComponent(model.serving.name)}/metadata`;
    const answer = await request(address);
    const signatures = answer.metadata.signature_def.signature_def;
    element("voice").hidden = !("enrolled" in signatures);
    model.hasSpectrograms = "spectrogram" in (signatures.features?.outputs ?? {});
  } catch (error) {
    element("model").textContent = `No model: ${error.message}`;
    if (!element("access").hidden) return;
    // The model is being loaded, or the server is being restarted: try again.
    setTimeout(start, 2000);
    return;
  }
  element("model").textContent = `Model ${model.serving.name}, version ${model.serving.version}` +
    (model.classes ? `: ${model.classes.join(", ")}` : "");
  const canRecord = Boolean(navigator.mediaDevices?.getUserMedia);
  element("record").disabled = !canRecord;
  if (!canRecord)
    hint("Recording needs a page from this machine (127.0.0.1, localhost) or one by HTTPS.");
  document.body.dataset.ready = "yes";
}

function hint(text) {
  element("hint").textContent = text;
}

/** Show the answer in large letters, an explanation beside it, and a note on the file. */
function showVerdict(kind, text, beside = "", note = "") {
  element("verdict").hidden = false;
  element("verdict").dataset.kind = kind;
  element("answer").textContent = text;
  element("beside").textContent = beside;
  element("note").textContent = note;
}

/** Fill a list with a bar for each name and its fraction in [0, 1]. */
function showBars(list, fractions) {
  list.replaceChildren(...fractions.map(([name, fraction]) => {
    const row = document.createElement("li");
    const [label, track, value] = ["name", "track", "value"].map(kind => {
      const cell = document.createElement("span");
      cell.className = kind;
      row.append(cell);
      return cell;
    });
    label.textContent = name;
    value.textContent = percent(fraction);
    const bar = document.createElement("span");
    bar.style.width = `${100 * Math.max(0, Math.min(1, fraction))}%`;
    track.append(bar);
    track.setAttribute("aria-hidden", "true");
    return row;
  }));
}

function showPrediction(prediction) {
  if (prediction.status) {
    showVerdict("refused", "This recording cannot be used", prediction.status);
    element("numbers").hidden = true;
    return;
  }
  const probabilities = prediction.probabilities ?? [];
  const names = model.classes ?? probabilities.map((_, n) => `class ${n}`);
  const ranked = probabilities.map((value, n) => [names[n], value]).sort((a, b) => b[1] - a[1]);
  const [label, probability] = ranked[0];
  const note = prediction.note ? `About the file: ${prediction.note}` : "";
  if (prediction.abstain) {
    const guess = `The most probable guess: ${label}, ${percent(probability)}`;
    showVerdict("abstain", "I do not know", guess, note);
  } else showVerdict("answer", label, `with a probability of ${percent(probability)}`, note);
  showBars(element("bars"), ranked);
  const uncertainties = [
    ["Entropy", prediction.entropy], ["Disagreement", prediction.mutual_information],
  ].filter(([, value]) => typeof value === "number");
  const maxEntropy = Math.log(probabilities.length);
  showBars(element("shares"), uncertainties.map(([name, value]) => [name, value / maxEntropy]));
  element("unsure").hidden = !uncertainties.length;
  element("numbers").hidden = false;
}

function draw() {
  element("wave-figure").hidden = !drawn.samples;
  element("spectrogram").hidden = !drawn.frames;
  if (drawn.samples) drawWave(element("wave"), drawn.samples);
  if (drawn.frames) drawSpectrogram(element("spectrogram"), drawn.frames);
}

function showCaptions(name, sound) {
  const duration = sound ? `, ${(sound.samples.length / sound.rate).toFixed(1)} s` : "";
  element("wave-caption").textContent = `${name}${duration}`;
  const spec = model.spec;
  const seconds = spec && ((spec.frames - 1) * spec.hop + spec.window) / spec.sample_rate;
  element("spectrogram-caption").textContent = !model.hasSpectrograms
    ? "This model has no signature that shows what it looks at."
    : !drawn.frames ? "" : "What the network looks at, loud is bright" + (spec
      ? `: ${seconds.toFixed(1)} s, ${spec.low_hz} to ${spec.high_hz} Hz from bottom to top.` : ".");
}

/**
 * Predict a recording and show the prediction.
 *
 * A WAV file is sent unchanged. Another file is sent as a WAV file of what the browser decodes.
 */
async function showRecording(blob, name) {
  const number = ++latestNumber;
  element("verdict").setAttribute("aria-busy", "true");
  hint(`Listening to ${name} …`);
  try {
    const sound = await decode(blob);
    // A file that the browser cannot decode is sent unchanged; the model reports the problem.
    const sentFile = sound && !(await isWav(blob)) ? writeWav(sound.samples, sound.rate) : blob;
    const content = await toBase64(sentFile);
    if (content.length + 100 > model.serving.max_bytes)
      throw new Error(`${name} is too long for this server`);
    if (voice.isEnrolling) {
      await enroll(content);
      showVoice();
      if (number === latestNumber) hint("");
      return;
    }
    const prediction = await predictRecording(content);
    if (number !== latestNumber) return;
    drawn = { samples: sound?.samples ?? null, frames: null };
    showPrediction(prediction);
    URL.revokeObjectURL(element("player").src);
    element("player").src = URL.createObjectURL(sentFile);
    element("player").hidden = !sound;
    element("pictures").hidden = !sound;
    if (sound && !prediction.status && model.hasSpectrograms) {
      const [features] = await predict("features", { b64: content });
      if (number !== latestNumber) return;
      // A single output has no name in the answer.
      drawn.frames = features.spectrogram ?? features;
    }
    showCaptions(name, sound);
    draw();
    hint("");
  } catch (error) {
    if (number !== latestNumber) return;
    showVerdict("refused", "There is no answer", error.message);
    element("numbers").hidden = element("pictures").hidden = true;
    hint("");
  } finally {
    if (number === latestNumber) element("verdict").setAttribute("aria-busy", "false");
  }
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
      showRecording(wav, "the recording");
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
  token = element("token").value.trim();
  start();
});
element("record").addEventListener("click", toggleRecording);
element("enroll").addEventListener("click", () => {
  voice.isEnrolling = !voice.isEnrolling;
  showVoice();
});
element("forget").addEventListener("click", () => {
  voice = { ...voice, recordings: [], speaker: null };
  showVoice();
  element("enroll").focus();
});
element("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (model && file) showRecording(file, file.name);
  // Without this, the browser would send no event if the user chooses the same file again.
  target.value = "";
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
  const [file] = event.dataTransfer.files;
  if (model && file) showRecording(file, file.name);
});
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
start();
