// Conversion of files and of the microphone's sound to WAV files, the only format of the model.

const MAX_SECONDS = 60;

/** Write samples in [-1, 1] as a WAV file of 16 bits and one channel. */
export function writeWav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const writeText = (offset, text) =>
    [...text].forEach((letter, n) => view.setUint8(offset + n, letter.charCodeAt(0)));
  writeText(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  writeText(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  writeText(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, n) => {
    // The inverse of what decoders do: 16-bit samples of a file come out unchanged.
    const level = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
    view.setInt16(44 + 2 * n, level, true);
  });
  return new Blob([view], { type: "audio/wav" });
}

/**
 * Decode a file in the browser; null if it cannot.
 *
 * Returns samples averaged over channels, their rate, and whether the file is a WAV file, which is
 * decoded at its own rate.
 */
export async function decode(blob) {
  const wavRate = await readWavRate(blob);
  const isWav = wavRate !== null;
  // The rates that every browser takes.
  const rate = wavRate >= 8000 && wavRate <= 96_000 ? wavRate : 48_000;
  try {
    const context = new OfflineAudioContext(1, 1, rate);
    const sound = await context.decodeAudioData(await blob.arrayBuffer());
    const samples = new Float32Array(sound.length);
    for (let channel = 0; channel < sound.numberOfChannels; channel++)
      sound.getChannelData(channel).forEach((value, n) => {
        samples[n] += value / sound.numberOfChannels;
      });
    return { samples, rate, isWav };
  } catch {
    return null;
  }
}

/** Read the rate of a WAV file in Hz: 0 if its header has none, null if it is no WAV file. */
async function readWavRate(blob) {
  const view = new DataView(await blob.slice(0, 4096).arrayBuffer());
  const text = offset => view.byteLength < offset + 4 ? "" : String.fromCharCode(
    ...[0, 1, 2, 3].map(n => view.getUint8(offset + n)));
  if (!["RIFF", "RIFX", "RF64"].includes(text(0)) || text(8) !== "WAVE") return null;
  for (let offset = 12; offset + 16 <= view.byteLength;) {
    if (text(offset) === "fmt ") return view.getUint32(offset + 12, true);
    const size = view.getUint32(offset + 4, true);
    offset += 8 + size + size % 2;
  }
  return 0;
}

/** Encode the bytes of a blob as base64. */
export function toBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/**
 * Record the microphone until the returned function is called, or for a minute.
 *
 * onProgress: called with the seconds so far and the loudness in [0, 1].
 * onEnd: called with the WAV file.
 */
export async function record(onProgress, onEnd) {
  const stream = await navigator.mediaDevices.getUserMedia({
    // The unprocessed sound: these filters are for telephone calls.
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext();
  const chunks = [];
  let length = 0;
  let isStopped = false;
  const close = () => {
    isStopped = true;
    stream.getTracks().forEach(track => track.stop());
    context.close();
  };
  const stop = () => {
    if (isStopped) return;
    close();
    const samples = new Float32Array(length);
    let offset = 0;
    for (const chunk of chunks) {
      samples.set(chunk, offset);
      offset += chunk.length;
    }
    onEnd(writeWav(samples, context.sampleRate));
  };
  try {
    await context.audioWorklet.addModule(new URL("recorder.js", import.meta.url));
    const node = new AudioWorkletNode(context, "recorder");
    node.port.onmessage = ({ data }) => {
      if (isStopped) return;
      chunks.push(data);
      length += data.length;
      // Report every 20th chunk: a meter that changes a hundred times a second cannot be read.
      if (chunks.length % 20 === 0) {
        const loudness = chunks.slice(-20).flatMap(chunk => [...chunk]).reduce(
          (maximum, value) => Math.max(maximum, Math.abs(value)), 0);
        onProgress(length / context.sampleRate, loudness);
      }
      if (length / context.sampleRate >= MAX_SECONDS) stop();
    };
    context.createMediaStreamSource(stream).connect(node);
  } catch (error) {
    close();
    throw error;
  }
  return stop;
}
