// Drawings of a recording over time: its waveform, its spectrogram, probabilities of its windows.
// All span the whole width, from the start of the recording to its end.

// Colour scale of a spectrogram, from dark to bright. Its steps look equal, also to readers who
// cannot tell colours apart.
const COLOURS = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109],
  [252, 253, 191]];
const COLUMNS = 800, BANDS = 112, RANGE_DB = 80;

const colourOf = name => getComputedStyle(document.documentElement).getPropertyValue(name);

/** Set the resolution of a canvas to that of the screen; return its context, width and height. */
function prepare(canvas) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
  return [canvas.getContext("2d"), canvas.width, canvas.height];
}

/**
 * Draw samples, scaled so that their highest amplitude fills nine tenths of the height: each column of pixels spans from its lowest to
 * its highest sample.
 */
export function drawWave(canvas, samples) {
  const [context, width, height] = prepare(canvas);
  context.fillStyle = colourOf("--line");
  context.fillRect(0, Math.floor(height / 2), width, 1);
  context.fillStyle = colourOf("--mark");
  const step = samples.length / width;
  const peak = samples.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0) || 1;
  const scale = 0.9 / peak;
  for (let x = 0; x < width; x++) {
    let low = peak, high = -peak;
    const end = Math.max(Math.floor((x + 1) * step), Math.floor(x * step) + 1);
    for (let n = Math.floor(x * step); n < end && n < samples.length; n++) {
      low = Math.min(low, samples[n]);
      high = Math.max(high, samples[n]);
    }
    if (high < low) continue;
    const top = Math.round((1 - high * scale) / 2 * height);
    context.fillRect(x, top, 1, Math.max(1, Math.round((1 - low * scale) / 2 * height) - top));
  }
}

/**
 * Compute the picture of a spectrogram: bands equally spaced in mel from lowHz at the bottom to
 * highHz, in decibels below the maximum.
 */
export function spectrogramImage(samples, rate, lowHz, highHz) {
  const size = 2 ** Math.round(Math.log2(0.032 * rate));
  const toMel = hz => Math.log1p(hz / 700), toHz = mel => 700 * Math.expm1(mel);
  const low = toMel(lowHz), step = (toMel(highHz) - low) / BANDS;
  // Bands that are narrower than the distance of two bins share a bin.
  const edges = Array.from({ length: BANDS + 1 }, (_, n) =>
    Math.round(toHz(low + n * step) * size / rate));
  const levels = new Float32Array(COLUMNS * BANDS);
  const real = new Float32Array(size), imaginary = new Float32Array(size);
  const hann = real.map((_, n) => Math.sin(Math.PI * n / size) ** 2);
  for (let x = 0; x < COLUMNS; x++) {
    const start = Math.round((x + 0.5) / COLUMNS * samples.length - size / 2);
    for (let n = 0; n < size; n++) real[n] = hann[n] * (samples[start + n] ?? 0);
    transform(real, imaginary.fill(0));
    for (let band = 0; band < BANDS; band++) {
      let power = 0;
      for (let bin = edges[band]; bin <= Math.max(edges[band], edges[band + 1] - 1); bin++)
        if (bin <= size / 2) power = Math.max(power, real[bin] ** 2 + imaginary[bin] ** 2);
      levels[band * COLUMNS + x] = 10 * Math.log10(power + 1e-12);
    }
  }
  const highest = levels.reduce((highest, level) => Math.max(highest, level), -30);
  const image = new ImageData(COLUMNS, BANDS);
  levels.forEach((level, index) => {
    const band = Math.floor(index / COLUMNS), x = index % COLUMNS;
    const offset = 4 * ((BANDS - 1 - band) * COLUMNS + x);
    image.data.set([...colour(1 + (level - highest) / RANGE_DB), 255], offset);
  });
  const canvas = new OffscreenCanvas(COLUMNS, BANDS);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** Draw a picture over the whole canvas. */
export function drawImage(canvas, image) {
  const [context, width, height] = prepare(canvas);
  context.drawImage(image, 0, 0, width, height);
}

/**
 * Draw a row for each class, the stronger the more probable, and one of the abstentions below.
 *
 * windows: objects with `from` and `to`, as fractions of the recording, and a `prediction`.
 */
export function drawWindows(canvas, windows, classCount) {
  const [context, width, height] = prepare(canvas);
  const rowHeight = height / (classCount + 1);
  const fill = (row, { from, to }, strength) => {
    const left = Math.round(from * width), top = Math.round(row * rowHeight);
    context.globalAlpha = strength;
    context.fillRect(left, top + 1, Math.round(to * width) - left,
      Math.round((row + 1) * rowHeight) - top - 1);
  };
  for (const window of windows) {
    context.fillStyle = colourOf("--mark");
    window.prediction.probabilities.forEach((value, row) => fill(row, window, value));
    context.fillStyle = colourOf("--note-line");
    if (window.prediction.abstain) fill(classCount, window, 1);
  }
}

/** Fill a list with times along the axis of a recording of some seconds. */
export function showTimes(list, seconds) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200].find(
    step => seconds / step <= 6) ?? seconds;
  list.replaceChildren();
  for (let time = 0; time <= seconds + 1e-6; time += step) {
    const mark = document.createElement("span");
    mark.textContent = step < 1 ? `${time.toFixed(1)} s` : clock(time);
    mark.style.left = `${100 * time / seconds}%`;
    // The text of a mark at the end is left of it.
    mark.className = time > 0.95 * seconds ? "last" : "";
    list.append(mark);
  }
}

/** Return a time in seconds as minutes and seconds, such as 1:05. */
export function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Replace a signal, whose length is a power of two, by its Fourier transform. */
function transform(real, imaginary) {
  const size = real.length;
  for (let n = 1, reversed = 0; n < size; n++) {
    let bit = size >> 1;
    for (; reversed & bit; bit >>= 1) reversed ^= bit;
    reversed ^= bit;
    if (n < reversed) [real[n], real[reversed]] = [real[reversed], real[n]];
  }
  for (let length = 2; length <= size; length *= 2) {
    const half = length / 2;
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos(2 * Math.PI * k / length), sine = -Math.sin(2 * Math.PI * k / length);
      for (let n = k; n < size; n += length) {
        const m = n + half;
        const re = real[m] * cosine - imaginary[m] * sine;
        const im = real[m] * sine + imaginary[m] * cosine;
        real[m] = real[n] - re;
        imaginary[m] = imaginary[n] - im;
        real[n] += re;
        imaginary[n] += im;
      }
    }
  }
}

/** Return the colour of a value in [0, 1], interpolated between two colours of the scale. */
function colour(value) {
  const position = Math.max(0, Math.min(1, value)) * (COLOURS.length - 1);
  const index = Math.min(Math.floor(position), COLOURS.length - 2);
  const weight = position - index;
  return COLOURS[index].map((low, n) => low + (COLOURS[index + 1][n] - low) * weight);
}
