// Drawings of a waveform and of a spectrogram.

// Colour scale of a spectrogram, from dark to bright. Its steps look equal, also to readers who
// cannot tell colours apart.
const COLOURS = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109],
  [252, 253, 191]];

/** Set the resolution of a canvas to that of the screen; return its context, width and height. */
function prepare(canvas) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
  return [canvas.getContext("2d"), canvas.width, canvas.height];
}

/** Draw samples in [-1, 1]: each column of pixels spans from its lowest to its highest sample. */
export function drawWave(canvas, samples) {
  const [context, width, height] = prepare(canvas);
  const style = getComputedStyle(document.documentElement);
  context.fillStyle = style.getPropertyValue("--line");
  context.fillRect(0, Math.floor(height / 2), width, 1);
  context.fillStyle = style.getPropertyValue("--mark");
  const step = samples.length / width;
  for (let x = 0; x < width; x++) {
    let low = 1, high = -1;
    const end = Math.max(Math.floor((x + 1) * step), Math.floor(x * step) + 1);
    for (let n = Math.floor(x * step); n < end && n < samples.length; n++) {
      low = Math.min(low, samples[n]);
      high = Math.max(high, samples[n]);
    }
    if (high < low) continue;
    const top = Math.round((1 - high) / 2 * height);
    context.fillRect(x, top, 1, Math.max(1, Math.round((1 - low) / 2 * height) - top));
  }
}

/** Draw frames: lists of bins, which are lists of one value in [-1, 1]. Bin 0 is at the bottom. */
export function drawSpectrogram(canvas, frames) {
  const bins = frames[0].length;
  const image = new ImageData(frames.length, bins);
  frames.forEach((frame, x) => frame.forEach(([value], bin) => {
    const offset = 4 * ((bins - 1 - bin) * frames.length + x);
    image.data.set([...colour((value + 1) / 2), 255], offset);
  }));
  const unscaled = new OffscreenCanvas(frames.length, bins);
  unscaled.getContext("2d").putImageData(image, 0, 0);
  const [context, width, height] = prepare(canvas);
  context.imageSmoothingEnabled = width < frames.length;
  context.drawImage(unscaled, 0, 0, width, height);
}

/** Return the colour of a value in [0, 1], interpolated between two colours of the scale. */
function colour(value) {
  const position = Math.max(0, Math.min(1, value)) * (COLOURS.length - 1);
  const index = Math.min(Math.floor(position), COLOURS.length - 2);
  const weight = position - index;
  return COLOURS[index].map((low, n) => low + (COLOURS[index + 1][n] - low) * weight);
}
