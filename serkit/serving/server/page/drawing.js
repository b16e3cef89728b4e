// Pictures of a sound, in the colours of the page.

// From dark to bright in steps that look equal, and can be told apart without seeing colours.
const COLOURS = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109],
  [252, 253, 191]];

/** A canvas as sharp as the screen, and its size in pixels. */
function sharp(canvas) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
  return [canvas.getContext("2d"), canvas.width, canvas.height];
}

/** Samples in [-1, 1]: of each column of pixels what is highest and lowest. */
export function drawWave(canvas, samples) {
  const [context, width, height] = sharp(canvas);
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

/** Rows of frames, each a list of bins of one number in [-1, 1]; low ones are drawn below. */
export function drawSpectrogram(canvas, frames) {
  const bins = frames[0].length;
  const image = new ImageData(frames.length, bins);
  frames.forEach((frame, x) => frame.forEach(([value], bin) => {
    const at = 4 * ((bins - 1 - bin) * frames.length + x);
    image.data.set([...colour((value + 1) / 2), 255], at);
  }));
  const small = new OffscreenCanvas(frames.length, bins);
  small.getContext("2d").putImageData(image, 0, 0);
  const [context, width, height] = sharp(canvas);
  context.imageSmoothingEnabled = width < frames.length;
  context.drawImage(small, 0, 0, width, height);
}

function colour(share) {
  const place = Math.max(0, Math.min(1, share)) * (COLOURS.length - 1);
  const first = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[first].map((low, n) => low + (COLOURS[first + 1][n] - low) * (place - first));
}
