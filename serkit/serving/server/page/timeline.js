// The emotion over time: windows of a long recording, as `serkit predict --timeline` predicts them.

import { model, predictRecordings } from "./server.js";
import { toBase64, writeWav } from "./sound.js";
import { word } from "./table.js";

const WINDOW_SECONDS = 3, HOP_SECONDS = 1, WINDOWS_PER_REQUEST = 16;
/** Recordings that are longer than this many seconds are predicted in windows. */
export const LONG_SECONDS = 10;

/** Return first sample and end of each window; the last one ends with the recording. */
function spans(sampleCount, rate) {
  const length = Math.min(sampleCount, Math.round(WINDOW_SECONDS * rate));
  const starts = [];
  for (let start = 0; start < sampleCount - length; start += Math.round(HOP_SECONDS * rate))
    starts.push(start);
  return [...starts, sampleCount - length].map(start => [start, start + length]);
}

/**
 * Predict the windows of a recording, a few in each request.
 *
 * Yields, after each request, all windows so far: objects with `start` and `end` in seconds, `from`
 * and `to`, the part of the recording that no other window is nearer to, as fractions of it, and
 * the `prediction`. `done` is the fraction of the windows that are predicted.
 */
export async function* predictWindows({ samples, rate }) {
  const all = spans(samples.length, rate);
  const middle = n => (all[n][0] + all[n][1]) / 2 / samples.length;
  const edge = n => n === 0 ? 0 : n === all.length ? 1 : (middle(n - 1) + middle(n)) / 2;
  // Bytes of a window in base64, and some of JSON around it.
  const bytes = (44 + 2 * Math.round(WINDOW_SECONDS * rate)) * 4 / 3 + 1000;
  const room = Math.floor(model.serving.max_bytes / bytes);
  const count = Math.max(1, Math.min(WINDOWS_PER_REQUEST, model.serving.max_examples, room));
  const windows = [];
  for (let first = 0; first < all.length; first += count) {
    const contents = await Promise.all(all.slice(first, first + count).map(([start, end]) =>
      toBase64(writeWav(samples.subarray(start, end), rate))));
    for (const prediction of await predictRecordings(contents)) {
      const n = windows.length;
      const [start, end] = all[n].map(sample => sample / rate);
      windows.push({ start, end, from: edge(n), to: edge(n + 1), prediction });
    }
    yield { windows, done: windows.length / all.length };
  }
}

/** Join neighbouring windows with the same word to moments, each with one prediction. */
export function toMoments(windows) {
  const groups = [];
  for (const window of windows) {
    const last = groups.at(-1);
    if (last && word(last[0].prediction) === word(window.prediction)) last.push(window);
    else groups.push([window]);
  }
  return groups.map(group => {
    const predictions = group.map(window => window.prediction);
    const probabilities = predictions[0].probabilities.map((_, n) =>
      predictions.reduce((sum, { probabilities }) => sum + probabilities[n], 0) / group.length);
    const unique = name => [...new Set(predictions.map(prediction => prediction[name]))]
      .filter(Boolean).join("; ");
    const prediction = { ...predictions[0], probabilities, status: unique("status"),
      note: unique("note") };
    return { from: group[0].from, to: group.at(-1).to, prediction };
  });
}
