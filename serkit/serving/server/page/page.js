// The page: from a sound to what the model says of it.

import { drawSpectrogram, drawWave } from "./drawing.js";
import { base64, decoded, isWav, record, wavFile } from "./sound.js";

const part = id => document.getElementById(id);
const percent = share => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}\u00a0%`;
let model = null;
// What is on show, to be drawn again in another size or other colours.
let shown = { samples: null, frames: null };
// An answer to a question that is no longer asked is not shown.
let latest = 0;

async function answer(response) {
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

async function predict(signature, content) {
  const address = `v1/models/${encodeURIComponent(model.serving.name)}:predict`;
  const body = JSON.stringify({ signature_name: signature, instances: [{ b64: content }] });
  const found = await answer(await fetch(address, { method: "POST", body }));
  return found.predictions[0];
}

async function start() {
  try {
    model = await answer(await fetch("model.json"));
    const address = `v1/models/${encodeURIComponent(model.serving.name)}/metadata`;
    const known = (await answer(await fetch(address))).metadata.signature_def.signature_def;
    model.draws = "spectrogram" in (known.features?.outputs ?? {});
  } catch (error) {
    part("model").textContent = `No model: ${error.message}`;
    // It is being loaded, or the server is started again.
    setTimeout(start, 2000);
    return;
  }
  part("model").textContent = `Model ${model.serving.name}, version ${model.serving.version}` +
    (model.classes ? `: ${model.classes.join(", ")}` : "");
  const canRecord = Boolean(navigator.mediaDevices?.getUserMedia);
  part("record").disabled = !canRecord;
  if (!canRecord)
    hint("Recording needs a page from this machine (127.0.0.1, localhost) or one by HTTPS.");
  document.body.dataset.ready = "yes";
}

function hint(text) {
  part("hint").textContent = text;
}

function verdict(kind, text, beside = "", note = "") {
  part("verdict").hidden = false;
  part("verdict").dataset.kind = kind;
  part("answer").textContent = text;
  part("beside").textContent = beside;
  part("note").textContent = note;
}

function bars(list, shares) {
  list.replaceChildren(...shares.map(([name, share]) => {
    const row = document.createElement("li");
    const [label, track, value] = ["name", "track", "value"].map(kind => {
      const cell = document.createElement("span");
      cell.className = kind;
      row.append(cell);
      return cell;
    });
    label.textContent = name;
    value.textContent = percent(share);
    const bar = document.createElement("span");
    bar.style.width = `${100 * Math.max(0, Math.min(1, share))}%`;
    track.append(bar);
    track.setAttribute("aria-hidden", "true");
    return row;
  }));
}

function showPrediction(found) {
  if (found.status) {
    verdict("refused", "This recording cannot be used", found.status);
    part("numbers").hidden = true;
    return;
  }
  const values = found.probabilities ?? [];
  const names = model.classes ?? values.map((_, n) => `class ${n}`);
  const ranked = values.map((value, n) => [names[n], value]).sort((a, b) => b[1] - a[1]);
  const [label, share] = ranked[0];
  const note = found.note ? `About the file: ${found.note}` : "";
  if (found.abstain)
    verdict("abstain", "I do not know", `The most probable guess: ${label}, ${percent(share)}`, note);
  else verdict("answer", label, `with a probability of ${percent(share)}`, note);
  bars(part("bars"), ranked);
  const most = Math.log(values.length);
  const unsure = [["Entropy", found.entropy], ["Disagreement", found.mutual_information]]
    .filter(([, value]) => typeof value === "number");
  bars(part("shares"), unsure.map(([name, value]) => [name, value / most]));
  part("unsure").hidden = !unsure.length;
  part("numbers").hidden = false;
}

function draw() {
  part("wave-figure").hidden = !shown.samples;
  part("spectrogram").hidden = !shown.frames;
  if (shown.samples) drawWave(part("wave"), shown.samples);
  if (shown.frames) drawSpectrogram(part("spectrogram"), shown.frames);
}

function describe(name, sound) {
  const length = sound ? `, ${(sound.samples.length / sound.rate).toFixed(1)} s` : "";
  part("wave-caption").textContent = `${name}${length}`;
  const spec = model.spec;
  const seconds = spec && ((spec.frames - 1) * spec.hop + spec.window) / spec.sample_rate;
  part("spectrogram-caption").textContent = !model.draws
    ? "This model has no signature that shows what it looks at."
    : !shown.frames ? "" : "What the network looks at, loud is bright" + (spec
      ? `: ${seconds.toFixed(1)} s, ${spec.low_hz} to ${spec.high_hz} Hz from bottom to top.` : ".");
}

/** Ask the model about a sound: a WAV file as it is, anything else as the browser hears it. */
async function ask(blob, name) {
  const number = ++latest;
  part("verdict").setAttribute("aria-busy", "true");
  hint(`Listening to ${name} …`);
  try {
    const sound = await decoded(blob);
    // What neither knows goes to the model too, whose word on it counts.
    const sent = sound && !(await isWav(blob)) ? wavFile(sound.samples, sound.rate) : blob;
    const content = await base64(sent);
    if (content.length + 100 > model.serving.max_bytes)
      throw new Error(`${name} is too long for this server`);
    const found = await predict("serving_default", content);
    if (number !== latest) return;
    shown = { samples: sound?.samples ?? null, frames: null };
    showPrediction(found);
    URL.revokeObjectURL(part("player").src);
    part("player").src = URL.createObjectURL(sent);
    part("player").hidden = !sound;
    part("pictures").hidden = !sound;
    if (sound && !found.status && model.draws) {
      const picture = await predict("features", content);
      if (number !== latest) return;
      shown.frames = (picture.spectrogram ?? picture);
    }
    describe(name, sound);
    draw();
    hint("");
  } catch (error) {
    if (number !== latest) return;
    verdict("refused", "There is no answer", error.message);
    part("numbers").hidden = part("pictures").hidden = true;
    hint("");
  } finally {
    if (number === latest) part("verdict").setAttribute("aria-busy", "false");
  }
}

let stop = null;
let asking = false;

async function toggle() {
  const button = part("record");
  if (stop) {
    stop();
    return;
  }
  if (asking) return;
  // Not by disabling the button: it would lose the keyboard.
  asking = true;
  try {
    stop = await record((seconds, loudness) => {
      button.textContent = `Stop (${seconds.toFixed(1)} s)`;
      part("level").value = Math.sqrt(loudness);
    }, wav => {
      stop = null;
      button.textContent = "Record";
      button.setAttribute("aria-pressed", "false");
      part("level").hidden = true;
      ask(wav, "the recording");
    });
    button.textContent = "Stop";
    button.setAttribute("aria-pressed", "true");
    part("level").hidden = false;
    hint("Recording; press Stop, or wait a minute.");
  } catch (error) {
    hint(`The microphone cannot be used: ${error.message}`);
  } finally {
    asking = false;
  }
}

part("record").addEventListener("click", toggle);
part("file").addEventListener("change", ({ target }) => {
  if (model && target.files[0]) ask(target.files[0], target.files[0].name);
  // The same file again is a change too.
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
  if (model && file) ask(file, file.name);
});
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
start();
