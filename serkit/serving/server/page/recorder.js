// Runs in the browser's audio thread: sends the first channel of the microphone to the page.
registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([input]) {
    if (input[0]) this.port.postMessage(input[0].slice());
    return true;
  }
});
