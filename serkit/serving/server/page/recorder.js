// Runs where the browser makes sound: hands on what the microphone gives, a channel of it.
registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([input]) {
    if (input[0]) this.port.postMessage(input[0].slice());
    return true;
  }
});
