// Files and microphones to WAV files, as the model wants them.

const SECONDS = 60;

/** Samples in [-1, 1] as a WAV file of 16 bits and one channel. */
export function wavFile(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const word = (at, text) => [...text].forEach((c, n) => view.setUint8(at + n, c.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, n) => {
    const bounded = Math.max(-1, Math.min(1, value));
    view.setInt16(44 + 2 * n, Math.round(bounded * 32767), true);
  });
  return new Blob([view], { type: "audio/wav" });
}

/** Samples and rate of whatever the browser can decode, channels averaged; null if it cannot. */
export async function decoded(blob) {
  const context = new AudioContext();
  try {
    const sound = await context.decodeAudioData(await blob.arrayBuffer());
    const samples = new Float32Array(sound.length);
    for (let channel = 0; channel < sound.numberOfChannels; channel++)
      sound.getChannelData(channel).forEach((value, n) => {
        samples[n] += value / sound.numberOfChannels;
      });
    return { samples, rate: sound.sampleRate };
  } catch {
    return null;
  } finally {
    context.close();
  }
}

/** Whether a file begins as WAV files do, whatever its name. */
export async function isWav(blob) {
  const head = new Uint8Array(await blob.slice(0, 12).arrayBuffer());
  const text = String.fromCharCode(...head);
  return ["RIFF", "RIFX", "RF64"].includes(text.slice(0, 4)) && text.slice(8) === "WAVE";
}

/** A blob's bytes as base64. */
export function base64(blob) {
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
 * heard: called with seconds so far and loudness in [0, 1]; done: with the WAV file.
 */
export async function record(heard, done) {
  const stream = await navigator.mediaDevices.getUserMedia({
    // What was said, rather than what a telephone would make of it.
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext();
  const chunks = [];
  let length = 0;
  let over = false;
  const stop = () => {
    if (over) return;
    over = true;
    stream.getTracks().forEach(track => track.stop());
    context.close();
    const samples = new Float32Array(length);
    let at = 0;
    for (const chunk of chunks) {
      samples.set(chunk, at);
      at += chunk.length;
    }
    done(wavFile(samples, context.sampleRate));
  };
  try {
    await context.audioWorklet.addModule(new URL("recorder.js", import.meta.url));
    const node = new AudioWorkletNode(context, "recorder");
    node.port.onmessage = ({ data }) => {
      if (over) return;
      chunks.push(data);
      length += data.length;
      // A bar that follows every hundredth of a second cannot be read.
      if (chunks.length % 20 === 0) {
        const loudest = chunks.slice(-20).flatMap(chunk => [...chunk]).reduce(
          (most, value) => Math.max(most, Math.abs(value)), 0);
        heard(length / context.sampleRate, loudest);
      }
      if (length / context.sampleRate >= SECONDS) stop();
    };
    context.createMediaStreamSource(stream).connect(node);
  } catch (error) {
    over = true;
    stream.getTracks().forEach(track => track.stop());
    context.close();
    throw error;
  }
  return stop;
}
