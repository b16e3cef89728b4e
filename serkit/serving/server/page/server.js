// Requests to the server: details of the model, predictions, and the voice of a speaker.

/** The content of model.json; null until it is known. */
export let model = null;
/** Recordings of a speaker, as base64, and what the model found out about the voice. */
export const voice = { recordings: [], speaker: null };
/** The token that the server asks for; empty if it asks for none. */
export let token = "";

/** Send a token with all further requests. */
export function setToken(text) {
  token = text;
}

/** Request an address of the server; return the response, or throw the server's error. */
export async function request(address, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(address, { ...options, headers });
  if (response.ok) return response;
  const text = await response.text();
  let message = `the server answered ${response.status} ${text.slice(0, 100)}`;
  try {
    message = JSON.parse(text).error;
  } catch {
    // A proxy answers with text.
  }
  throw Object.assign(new Error(message), { status: response.status });
}

/** Return the path of the model's address, to which ":predict" or "/metadata" is added. */
const modelPath = () => `v1/models/${encodeURIComponent(model.serving.name)}`;

/** Ask which model is served; return the names of its signatures. */
export async function loadModel() {
  model = await (await request("model.json")).json();
  const { metadata } = await (await request(`${modelPath()}/metadata`)).json();
  return Object.keys(metadata.signature_def.signature_def);
}

/** Return the outputs of a signature, a row for each instance. */
async function predict(signature, instances) {
  const body = JSON.stringify({ signature_name: signature, instances });
  const response = await request(`${modelPath()}:predict`, { method: "POST", body });
  return (await response.json()).predictions;
}

/** Predict recordings in base64 in one request, of the enrolled speaker if there is one. */
export function predictRecordings(contents) {
  const files = contents.map(content => ({ b64: content }));
  const { speaker } = voice;
  return speaker ? predict("enrolled", files.map(file => ({ wav_bytes: file, speaker })))
    : predict("serving_default", files);
}

/** Estimate the voice of the speaker from a further recording in base64. */
export async function enroll(content) {
  const recordings = [...voice.recordings, content];
  // -1 where the model has no such class.
  const neutral = (model.classes ?? []).indexOf("neutral");
  const rows = await predict("enroll", recordings.map(recording =>
    ({ wav_bytes: { b64: recording }, class_number: neutral })));
  const { speaker, status } = rows.at(-1);
  if (status) throw new Error(status);
  Object.assign(voice, { recordings, speaker });
}

/** Return a line for a shell that predicts the file speech.wav. */
export function curlLine() {
  const address = new URL(`${modelPath()}:predict`, document.baseURI).href.replaceAll("'", "%27");
  const header = token ? '--header "Authorization: Bearer $TOKEN" ' : "";
  return `printf '{"instances": [{"b64": "%s"}]}' "$(base64 < speech.wav | tr -d '\\n')" |\n` +
    `  curl --silent --show-error --data-binary @- ${header}'${address}'`;
}
