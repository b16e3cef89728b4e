// Tables of predictions on the page, and as CSV files.

import { model } from "./server.js";

const COLUMNS = ["file", "start", "end", "label", "abstain", "entropy", "mutual_information", "note",
  "problem"];

export const element = id => document.getElementById(id);
export const percent = fraction =>
  `${(100 * fraction).toFixed(fraction < 0.0995 ? 1 : 0)}\u00a0%`;

/** Return pairs of a class and its probability, the most probable first. */
export function ranked(probabilities) {
  const names = model.classes ?? probabilities.map((_, n) => `class ${n}`);
  return probabilities.map((value, n) => [names[n], value]).sort((a, b) => b[1] - a[1]);
}

/** Return the word for a prediction in tables: its label, "abstains" or "cannot be used". */
export function word(prediction) {
  if (prediction.status) return "cannot be used";
  return prediction.abstain ? "abstains" : ranked(prediction.probabilities)[0][0];
}

/** Return words with the sums of their amounts, the largest first: "sad 4, angry 1". */
export function summary(pairs, unit = "") {
  const sums = new Map();
  for (const [name, amount] of pairs) sums.set(name, (sums.get(name) ?? 0) + amount);
  return [...sums].sort((a, b) => b[1] - a[1])
    .map(([name, sum]) => `${name} ${Math.round(sum)}${unit}`).join(", ");
}

/** Return the cells of a prediction: emotion, probability, note. */
export function cells(prediction, furtherNote = "") {
  const notes = [prediction.status, prediction.note, furtherNote];
  if (prediction.status) return [word(prediction), "", notes.filter(Boolean).join("; ")];
  const [label, probability] = ranked(prediction.probabilities)[0];
  if (prediction.abstain) notes.unshift(`most probable: ${label}`);
  return [word(prediction), percent(probability), notes.filter(Boolean).join("; ")];
}

/** Add a row to a table; return the button in its first cell, which calls a function. */
export function addRow(section, text, hint, onClick, texts) {
  const row = element(section).querySelector("tbody").insertRow();
  const head = document.createElement("th"), button = document.createElement("button");
  head.scope = "row";
  button.type = "button";
  button.textContent = text;
  button.title = hint;
  button.addEventListener("click", onClick);
  head.append(button);
  row.append(head, ...texts.map((text, column) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (column === 1) cell.className = "value";
    return cell;
  }));
  return button;
}

export function clearRows(section) {
  element(section).querySelector("tbody").replaceChildren();
}

/**
 * Save predictions as a CSV file with the columns of `serkit predict --csv`.
 *
 * rows: predictions with `file`, and in a timeline `start` and `end` in seconds.
 */
export function saveCsv(name, rows) {
  const columns = COLUMNS.filter(column => rows.some(row => column in row) ||
    !["start", "end"].includes(column));
  const classes = model.classes ??
    (rows.find(row => row.probabilities)?.probabilities ?? []).map((_, n) => `class ${n}`);
  const lines = rows.map(({ status, probabilities, ...row }) => {
    const values = status ? { file: row.file, abstain: true, start: row.start, end: row.end,
      problem: status } : { ...row, problem: "" };
    const fields = columns.map(column => values[column] ?? "");
    return [...fields, ...classes.map((_, n) => status ? "" : probabilities[n])];
  });
  // As Python writes them.
  const field = value => value === true ? "True" : value === false ? "False"
    : /[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value;
  const text = [[...columns, ...classes.map(label => `p_${label}`)], ...lines]
    .map(line => `${line.map(field).join(",")}\n`).join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
