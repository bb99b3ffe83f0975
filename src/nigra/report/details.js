// The panels below: what is selected, and what is at the voxel. Only elements and their attributes, never markup.

import { tally } from "./linked.js";

const SVG = "http://www.w3.org/2000/svg";
const SHOWN = 40;

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

export const count = (number) => number.toLocaleString("en-US").replaceAll(",", " ");
export const short = (number) => (Number.isFinite(number) ? Number(number.toPrecision(3)).toString() : "n/a");

const REFITS = {
  "seeds: residual": "other seeds leave unexplained", "subsamples: residual": "fewer subjects",
  "projection: error": "projecting instead of fitting errs by",
};
const TOLD = /fitted on all|landmark|fell into|axis|axes|ways from/;

// How far an embedding can be trusted, in words, of its rows of embeddings.tsv: quality, stability, what to be wary of
export function trust(rows) {
  const number = (row) => `${short(row.estimate)}${row.low === null ? "" : ` (${short(row.low)} to ${short(row.high)})`}${row.null === null ? "" : `, by chance ${short(row.null)}`}`;
  const quality = rows.filter((row) => !row.measure.includes(":")).map((row) => `${row.measure} ${number(row)}`);
  const refits = rows.filter((row) => REFITS[row.measure]).map((row) => `${REFITS[row.measure]} ${number(row)}`);
  const notes = new Set(rows.flatMap((row) => (row.note ?? "").split("; ")).filter((note) => TOLD.test(note)));
  if (!quality.length) return "This embedding was not measured: do not read distances or gaps off it.";
  return [`How far to trust it: ${quality.join("; ")}.`, refits.length ? `Refits: ${refits.join("; ")}.` : "", notes.size ? `Note: ${[...notes].join("; ")}.` : ""].join(" ").trim();
}

export function bars(place, column, selected, onPick) {
  const entries = tally(column.values, column.categories, selected);
  const most = Math.max(...entries.map((entry) => entry.selected), 1);
  place.replaceChildren(
    ...entries.slice(0, SHOWN).map((entry) => {
      const bar = element("span", { class: "bar" });
      bar.style.width = `${(100 * entry.selected) / most}%`;
      const button = element(
        "button", { type: "button", class: "row", title: `${count(entry.selected)} of ${count(entry.of)} codes there` },
        element("span", { class: "name" }, entry.label), element("span", { class: "track" }, bar),
        element("span", { class: "number" }, count(entry.selected)),
        element("span", { class: "number" }, `×${entry.lift.toFixed(1)}`),
      );
      button.addEventListener("click", () => onPick(entry.label));
      return element("li", {}, button);
    }),
  );
  if (entries.length > SHOWN) place.append(element("li", { class: "note" }, `and ${entries.length - SHOWN} more`));
}

export function pictures(place, { shape, values }, captions, onPick) {
  const [n, size] = shape, { low, high } = limits(values);
  place.replaceChildren(
    ...Array.from({ length: n }, (_, number) => {
      const canvas = element("canvas", { width: size, height: size, "aria-hidden": "true" });
      const context = canvas.getContext("2d"), image = context.createImageData(size, size);
      for (let at = 0; at < size * size; at += 1) {
        const level = (255 * (values[number * size * size + at] - low)) / (high - low);
        image.data.set([level, level, level, 255], 4 * at);
      }
      context.putImageData(image, 0, 0);
      const button = element("button", { type: "button", title: captions[number] }, canvas);
      button.setAttribute("aria-label", captions[number]);
      button.addEventListener("click", () => onPick(number));
      return button;
    }),
  );
}

function limits(values) {
  const known = Float32Array.from(values).sort();
  const low = known[Math.round(0.01 * (known.length - 1))], high = known[Math.round(0.99 * (known.length - 1))];
  return { low, high: high > low ? high : low + 1 };
}

// Everyone's score at the voxel: controls above, patients below, the subject in black, the threshold as a line
export function strip(place, found, subject, width = 300) {
  place.replaceChildren();
  const rows = found.scores.filter((row) => row.score !== null);
  if (!rows.length) return;
  const values = [...rows.map((row) => row.score), found.threshold ?? rows[0].score];
  const low = Math.min(...values), span = Math.max(...values) - low || 1;
  const x = (value) => 62 + ((width - 74) * (value - low)) / span;
  const lanes = [["control", 22, "#0072b2"], ["patient", 52, "#d55e00"]];
  for (const [group, y] of lanes) place.append(drawn("text", { x: 0, y: y + 4, class: "lane" }, `${group}s`));
  for (const row of rows) {
    const lane = lanes.find(([group]) => group === row.group) ?? lanes[0];
    const shift = ((hash(row.participant_id) % 17) - 8) * 0.9, at = [x(row.score), lane[1] + shift];
    const mark = lane[0] === "control"
      ? drawn("circle", { cx: at[0], cy: at[1], r: 3.5 })
      : drawn("rect", { x: at[0] - 3, y: at[1] - 3, width: 6, height: 6, transform: `rotate(45 ${at[0]} ${at[1]})` });
    mark.setAttribute("fill", row.participant_id === subject ? "#000000" : lane[2]);
    mark.setAttribute("fill-opacity", row.participant_id === subject ? 1 : 0.45);
    mark.append(drawn("title", {}, `${row.participant_id}: ${short(row.score)}${row.abnormal ? ", abnormal" : ""}`));
    place.append(mark);
  }
  if (found.threshold !== null) {
    const at = x(found.threshold);
    place.append(drawn("line", { x1: at, x2: at, y1: 6, y2: 68, class: "threshold" }));
    place.append(drawn("text", { x: at, y: 80, class: "tick", "text-anchor": at > width / 2 ? "end" : "start" }, `threshold ${short(found.threshold)}`));
  }
}

function hash(text) {
  let sum = 0;
  for (const letter of text) sum = (31 * sum + letter.charCodeAt(0)) % 9973;
  return sum;
}

export function verdict(found, subject) {
  const row = found.scores.find((each) => each.participant_id === subject), place = found.places?.[subject];
  if (!row || row.score === null || !place) return `${subject} has no score here.`;
  const side = row.abnormal ? "above" : "not above";
  return `${subject}: score ${short(row.score)}, higher than ${place.below} of ${place.of} controls, ${side} the threshold.`;
}

export function legend(place, entries, onPick) {
  place.replaceChildren(
    ...(entries ?? []).map((entry) => {
      const swatch = element("span", { class: "swatch" });
      swatch.style.backgroundColor = entry.colour;
      const button = element("button", { type: "button" }, swatch, `${entry.label} (${count(entry.count)})`);
      button.addEventListener("click", () => onPick(entry.label));
      return element("li", {}, button);
    }),
  );
}
