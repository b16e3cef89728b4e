// The prediction of one recording: label, most probable classes, reason of an abstention, bars.

import { model, voice } from "./server.js";
import { element, percent, ranked } from "./table.js";

/** Show the answer in large letters, and lines below it by id. */
export function showVerdict(kind, text, lines = {}) {
  const verdict = element("verdict");
  verdict.hidden = false;
  verdict.dataset.kind = kind;
  element("answer").textContent = text;
  for (const id of ["beside", "next", "reason", "note"])
    element(id).textContent = lines[id] ?? "";
  element("numbers").hidden = true;
}

export function showPrediction(prediction) {
  if (prediction.status) {
    showVerdict("refused", "This recording cannot be used", { beside: prediction.status });
    return;
  }
  const classes = ranked(prediction.probabilities ?? []);
  const [label, probability] = classes[0];
  const next = classes.slice(1, 3).map(([name, value]) => `${name} ${percent(value)}`).join(", ");
  const lines = {
    next: next && `Next: ${next}`,
    note: prediction.note ? `About the file: ${prediction.note}` : "",
  };
  // The letters of an unsure answer are smaller.
  element("verdict").style.setProperty("--certainty", probability);
  if (prediction.abstain) {
    const beside = `The most probable guess: ${label}, ${percent(probability)}`;
    const reason = reasonOf(prediction, classes.length);
    showVerdict("abstain", "I do not know", { ...lines, beside, reason });
  } else {
    const beside = `with a probability of ${percent(probability)}`;
    showVerdict("answer", label, { ...lines, beside });
  }
  showBars(element("bars"), classes.slice(0, 3));
  showBars(element("other-bars"), classes.slice(3));
  element("others").hidden = classes.length <= 3;
  const uncertainties = [
    ["Entropy", prediction.entropy], ["Disagreement", prediction.mutual_information],
  ].filter(([, value]) => typeof value === "number");
  const maxEntropy = Math.log(classes.length);
  showBars(element("shares"), uncertainties.map(([name, value]) => [name, value / maxEntropy]));
  element("unsure").hidden = !uncertainties.length;
  element("numbers").hidden = false;
}

/** Return why the model abstains, as a sentence. */
function reasonOf({ entropy }, classCount) {
  const answers = model.answers ?? {};
  const { threshold } = (voice.speaker ? answers.enrollment : answers) ?? {};
  const ofMaximum = nats => percent(nats / Math.log(classCount));
  if (typeof threshold === "number" && entropy > threshold)
    return "The model abstains because no class is probable enough: the entropy of the " +
      `probabilities is ${ofMaximum(entropy)} of its maximum, and the model answers up to ` +
      `${ofMaximum(threshold)}.`;
  if (typeof answers.ood_threshold === "number")
    return "The model abstains because the recording is unlike all that it was trained on. Its " +
      "probabilities mean little then, also high ones.";
  return "The model abstains because it is too unsure: an answer would often be wrong.";
}

/** Fill a list with a bar for each name and its fraction in [0, 1]. */
function showBars(list, fractions) {
  list.replaceChildren(...fractions.map(([name, fraction]) => {
    const row = document.createElement("li");
    const [label, track, value] = ["name", "track", "value"].map(kind => {
      const cell = document.createElement("span");
      cell.className = kind;
      row.append(cell);
      return cell;
    });
    label.textContent = name;
    value.textContent = percent(fraction);
    const bar = document.createElement("span");
    bar.style.width = `${100 * Math.max(0, Math.min(1, fraction))}%`;
    track.append(bar);
    track.setAttribute("aria-hidden", "true");
    return row;
  }));
}
