// The page: what is shown, and how its two views answer each other.

import { bytes, floats, json } from "./api.js";
import { Brain, labelColours, numbers, range } from "./brain.js";
import { bars, count, element, legend, pictures, short, strip, trust, verdict } from "./details.js";
import { savePng, saveSvg, saveTsv } from "./exports.js";
import {
  codeKeys, colouring, density, linked, rowsAt, rowsOf, toMm, toVoxel, unravel, voxelKeys, voxelSizes,
} from "./linked.js";
import { Scatter } from "./scatter.js";

const $ = (id) => document.getElementById(id);
const EXAMPLES = 12;
const ALWAYS = ["participant_id", "group", "x", "y", "z"];

const page = { run: null, voxel: null, overlay: null, asked: 0 };
const side = (letter) => ({
  letter, space: null, columns: {}, points: null, selected: null,
  scatter: new Scatter($(`plot-${letter}`), {
    onSelect: (chosen) => brushed(letter, chosen),
    onClick: (row) => picked(letter, row),
    onHover: (row) => hovered(letter, row),
  }),
});
const sides = { a: side("a"), b: side("b") };
const open = () => Object.values(sides).filter((each) => each.space);
const brain = new Brain($("brain"), (voxel) => placed(voxel));

// --- what is going on, in words ------------------------------------------------------------------------------------

function say(text) {
  $("status").textContent = text;
}

function fail(error) {
  $("error").hidden = false;
  $("error").firstElementChild.textContent = error.message;
  say("Not done");
}

// Do something that takes time: say so, say when it is done, and tell what went wrong
async function doing(text, action) {
  say(`${text}…`);
  document.body.setAttribute("aria-busy", "true");
  try {
    await action();
    if ($("status").textContent === `${text}…`) say("Ready");
  } catch (error) {
    fail(error);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

function fill(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => element("option", { value }, text)));
  if (entries.some(([value]) => value === chosen)) select.value = chosen;
}

const where = (each) => ({ run: page.run.run, model: each.space.model, draw: each.space.draw });

// --- opening -------------------------------------------------------------------------------------------------------

async function start() {
  await brain.open();
  const study = await json("study");
  $("study").textContent = study.study;
  document.title = `${study.study} - nigra explorer`;
  fill($("run"), study.runs.map((name) => [name, name]), study.first);
  await openRun();
}

async function openRun() {
  page.run = await json("run", { run: $("run").value });
  const { spaces, subjects, channels, affine, shape } = page.run;
  for (const each of Object.values(sides)) each.space = null;
  page.brushed = null;
  const labels = spaces.map((space, at) => [String(at), space.label]);
  fill($("model"), labels);
  fill($("beside"), [["", "nothing"], ...labels]);
  const patient = subjects.find((subject) => subject.group === "patient") ?? subjects[0];
  const about = ({ participant_id: name, group, age }) => `${name}, ${group}${age === null || age === undefined ? "" : `, ${age}`}`;
  fill($("subject"), subjects.map((subject) => [subject.participant_id, about(subject)]), patient?.participant_id);
  const each = (kind, text) => channels.map((name, at) => [`${kind}:${at}`, `${text}${name}`]);
  fill($("image"), [...each("mean", "mean of controls, "), ...each("image", "image, "), ...each("reconstruction", "reconstruction, ")]);
  fill($("overlay"), [
    ["selection", "selected codes"], ["score", "score"], ["abnormal", "abnormal"], ["error", "error"],
    ["regions", "regions"], ["none", "nothing"],
  ]);
  for (const [axis, size] of voxelSizes(affine).entries()) $("xyz"[axis]).step = size;
  const mean = await bytes("volume", { run: page.run.run, kind: "mean", channel: 0 });
  await brain.start(mean, affine, shape);
  if (!spaces.length) throw new Error(`Run ${page.run.run} has no latent space; run nigra latent first.`);
  await openSide("a", spaces[0]);
  await placed(shape.map((length) => Math.floor(length / 2)));
}

async function openSide(letter, space) {
  const each = sides[letter];
  Object.assign(each, { space, columns: {}, selected: null });
  $("second").hidden = $("onto-label").hidden = !sides.b.space;
  if (!space) {
    if (page.brushed === each) page.brushed = sides.a;
    return showFit(null);
  }
  for (const name of ALWAYS) await column(each, name);
  const { x, y, z, participant_id: subjects } = each.columns;
  const names = page.run.subjects.map((subject) => subject.participant_id);
  each.voxels = voxelKeys(x.values, y.values, z.values, page.run.shape);
  each.keys = codeKeys(each.voxels, subjects, names, page.run.shape);
  if (letter === "a") {
    const columns = space.columns.map(({ name }) => [name, name.replace(/^score:/, "score, ").replace("participant_id", "subject")]);
    fill($("embedding"), space.embeddings.map(({ name }) => [name, name]), $("embedding").value);
    fill($("colour"), columns, $("colour").value || "region");
    fill($("detector"), space.detectors.map((name) => [name, name]), $("detector").value);
  }
  if (page.brushed?.selected && page.brushed !== each) each.selected = linked(page.brushed.keys, page.brushed.selected, each.keys);
  each.scatter.forget();
  each.scatter.selected = each.selected;
  await showScatter(each);
  await refit();
  if (page.brushed) await showSelection();
}

// The plots have other sizes when a second one comes or goes. Plotly draws them a moment later, which would break off a
// brush: so it is waited for
async function refit() {
  brain.view.resizeListener?.();
  await Promise.all(open().filter((each) => each.scatter.x).map((each) => Plotly.Plots.resize(each.scatter.element)));
}

async function column(each, name) {
  if (!each.columns[name]) {
    const described = each.space.columns.find((found) => found.name === name);
    const { values } = await floats("column", { ...where(each), name });
    each.columns[name] = { values, categories: described?.categories ?? null };
  }
  return each.columns[name];
}

// --- codes ---------------------------------------------------------------------------------------------------------

async function showScatter(each) {
  const names = each.space.embeddings.map(({ name }) => name);
  if (!names.length) throw new Error(`${each.space.label} has no embedding; run nigra latent with one.`);
  const name = names.includes($("embedding").value) ? $("embedding").value : names[0];
  const { shape, fit, values } = await floats("points", { ...where(each), embedding: name, ...onto(each) });
  Object.assign(each, { points: values, dimensions: shape[1], embedding: name });
  $("axes-label").hidden = !open().some((one) => one.dimensions === 3);
  const axes = shape[1] === 3 ? $("axes").value.split(",").map(Number) : [0, 1];
  $(`title-${each.letter}`).textContent = `${each.space.label}, ${name}, ${count(shape[0])} codes`;
  await each.scatter.show(values, shape[1], axes, await colours(each), name);
  if (each.letter === "a") showMeasures(each, name);
  else await showFit(fit);
  await marked();
}

async function colours(each) {
  const name = each.space.columns.some((one) => one.name === $("colour").value) ? $("colour").value : each.space.columns[0].name;
  const { values, categories } = await column(each, name), found = colouring(values, categories);
  if (each.letter === "a") legend($("legend"), found.legend, (label) => choose(each, values, categories, found, label));
  return found;
}

// Select the codes of a colour of the legend: the way to brush without a mouse
function choose(each, values, categories, found, label) {
  const at = categories.indexOf(label), shown = found.legend.map((entry) => entry.label);
  const other = (value) => !(value >= 0) || !shown.includes(categories[value]);
  select(each, Uint8Array.from(values, (value) => Number(at < 0 ? other(value) : value === at)));
}

// Where the second model's points are laid over those of the first, turned and scaled by the codes both have
function onto({ letter }) {
  const { space, embedding } = sides.a;
  return letter === "b" && $("onto").checked ? { onto_model: space.model, onto_draw: space.draw, onto_embedding: embedding } : {};
}

function showFit(fit) {
  $("fit").textContent = fit
    ? `Laid over by ${count(fit.shared)} codes of both: ${short(fit.residual)} of the spread is not met (by chance ${short(fit.null)}).`
    : "";
  return refit();
}

function showMeasures(each, name) {
  $("measures").textContent = trust(each.space.measures.filter((row) => row.embedding === name));
}

function brushed(letter, chosen) {
  if (sides[letter].space) select(sides[letter], chosen, true);
}

// chosen: Uint8Array (n,) or null for nothing selected; quiet: the scatter shows it already
function select(each, chosen, quiet = false) {
  if (chosen && !chosen.includes(1)) chosen = null;
  each.selected = chosen;
  if (!quiet || !chosen) each.scatter.select(chosen);
  else each.scatter.selected = chosen;
  for (const other of open()) {
    if (other === each) continue;
    other.selected = chosen && linked(each.keys, chosen, other.keys);
    other.scatter.select(other.selected);
  }
  page.brushed = each;
  $("tsv").disabled = !chosen;
  doing("Looking up the selected codes", showSelection);
}

async function showSelection() {
  const each = page.brushed, chosen = each?.selected;
  if ($("overlay").value === "selection") await showOverlay();
  if (!chosen) {
    for (const id of ["regions", "subjects", "patches"]) $(id).replaceChildren();
    $("selected").textContent = "Brush codes on the left, or choose a colour below them.";
    return;
  }
  const rows = rowsOf(chosen), other = open().find((one) => one !== each);
  const also = other ? `; ${count(rowsOf(other.selected).length)} of them in ${other.space.label}` : "";
  $("selected").textContent = `${count(rows.length)} of ${count(chosen.length)} codes${also}. × says how many times more than by chance.`;
  const subjects = each.columns.participant_id;
  bars($("subjects"), subjects, chosen, (label) => { $("subject").value = label; doing("Loading the subject", subjectChanged); });
  if (each.space.columns.some(({ name }) => name === "region")) {
    const regions = await column(each, "region");
    bars($("regions"), regions, chosen, (label) => {
      const at = regions.categories.indexOf(label);
      select(each, Uint8Array.from(regions.values, (value) => Number(value === at)));
    });
  }
  await showExamples(each, rows.filter((row) => each.voxels[row] >= 0));
}

async function showExamples(each, rows) {
  const step = Math.max(rows.length / EXAMPLES, 1);
  const shown = Array.from({ length: Math.min(EXAMPLES, rows.length) }, (_, at) => rows[Math.floor(at * step)]);
  if (!shown.length) return;
  const found = await floats("patches", { ...where(each), rows: shown.join(","), channel: channel() });
  const { values, categories } = each.columns.participant_id;
  const captions = shown.map((row) => `${categories[values[row]]} at ${mmText(toMm(page.run.affine, unravel(each.voxels[row], page.run.shape)))}`);
  pictures($("patches"), found, captions, (at) => picked(each.letter, shown[at]));
}

// A code was chosen: go to its subject and its place
function picked(letter, row) {
  const each = sides[letter], { values, categories } = each.columns.participant_id, key = each.voxels[row];
  $("subject").value = categories[values[row]];
  doing("Going to the code's place", async () => {
    if (key >= 0) await placed(unravel(key, page.run.shape), true);
    await subjectChanged();
  });
}

function hovered(letter, row) {
  if (document.body.hasAttribute("aria-busy")) return; // what is being done is said there
  const each = sides[letter], { values, categories } = each.columns.participant_id, key = each.voxels[row];
  const region = each.columns.region, name = region && region.categories[region.values[row]];
  const at = key < 0 ? "" : ` at ${mmText(toMm(page.run.affine, unravel(key, page.run.shape)))}`;
  say(`${categories[values[row]]}${at}${name ? `, ${name}` : ""}`);
}

// --- brain ---------------------------------------------------------------------------------------------------------

const channel = () => Number($("image").value.split(":")[1] ?? 0);
const mmText = (mm) => `(${mm.map((value) => Number(value.toFixed(1))).join(", ")}) mm`;

function asked(kind, number = 0) {
  const each = sides.a;
  return { ...where(each), kind, subject: $("subject").value, detector: $("detector").value, channel: number };
}

async function showImage() {
  const [kind, number] = $("image").value.split(":");
  brain.image(await bytes("volume", asked(kind, number)));
}

async function showOverlay() {
  const kind = $("overlay").value, ticket = (page.asked += 1);
  const found = kind === "none" ? null : kind === "selection" ? selectedDensity() : numbers(await bytes("volume", asked(kind)));
  if (ticket !== page.asked) return; // another was asked for meanwhile
  page.overlay = found && overlayOf(kind, found);
  $("shown").textContent = found ? page.overlay.words : "";
  $("threshold").disabled = !found || ["abnormal", "regions"].includes(kind);
  $("threshold").value = page.overlay?.start ?? 0;
  if (found) brain.overlay(found, { ...page.overlay, low: lowest(), opacity: Number($("opacity").value) });
  else brain.limits(0, 1, 0);
  showFrom();
}

function selectedDensity() {
  const each = page.brushed?.selected ? page.brushed : null;
  return each && density(each.voxels, each.selected, page.run.shape, voxelSizes(page.run.affine));
}

// How an overlay is drawn; start: where its slider begins, of 1000
function overlayOf(kind, values) {
  const who = $("subject").value;
  if (kind === "regions") {
    return { labels: labelColours(page.run.regions), bottom: 0, high: 1, top: 1, start: 0, words: "Regions of the atlas." };
  }
  if (kind === "abnormal") {
    return { colormap: "nigra-abnormal", bottom: 0.5, high: 1, top: 1, start: 0, words: `Voxels of ${who} above the threshold.` };
  }
  const { low, middle, high, top } = range(values);
  const share = (value) => Math.round((1000 * (value - low)) / (top - low || 1));
  if (kind === "selection") {
    const words = "How many times more than by chance codes near a voxel are selected (window of 4 mm).";
    return { colormap: "nigra-density", bottom: low, high: Math.max(high, 1.01), top, start: share(1), words };
  }
  const words = kind === "error"
    ? `Reconstruction error of ${who} by ${sides.a.space.label}, higher = more abnormal.`
    : `Score of ${who} by ${sides.a.space.model}, ${$("detector").value}: higher = more abnormal.`;
  return { colormap: "nigra-score", bottom: low, high, top, start: share(middle), words };
}

function lowest() {
  const { bottom, top } = page.overlay;
  return bottom + (Number($("threshold").value) / 1000) * (top - bottom);
}

function showFrom() {
  $("from").textContent = page.overlay && !$("threshold").disabled ? short(lowest()) : "";
}

function slid() {
  if (!page.overlay) return;
  brain.limits(lowest(), page.overlay.high, Number($("opacity").value));
  showFrom();
}

async function subjectChanged() {
  if (!$("image").value.startsWith("mean")) await showImage();
  if (["score", "abnormal", "error"].includes($("overlay").value)) await showOverlay();
  await marked();
}

// A voxel was chosen. aside: the brain does not know it yet
async function placed(voxel, aside = true) {
  page.voxel = voxel;
  const mm = toMm(page.run.affine, voxel);
  for (const [axis, id] of [...("xyz")].entries()) $(id).value = Number(mm[axis].toFixed(3));
  if (aside) brain.go(voxel);
  await marked();
}

async function marked() {
  if (!page.voxel || !sides.a.space) return;
  const { affine, shape, run } = page.run, voxel = page.voxel, mm = toMm(affine, voxel), who = $("subject").value;
  const key = voxel[0] + shape[0] * (voxel[1] + shape[1] * voxel[2]);
  let words = "";
  for (const each of open().filter((one) => one.points)) {
    const { rows, away } = rowsAt(each.voxels, key, mm, voxel, shape, affine);
    const { values, categories } = each.columns.participant_id, { values: groups, categories: groupNames } = each.columns.group;
    const of = (group) => rows.filter((row) => groupNames[groups[row]] === group);
    each.scatter.mark(of("control"), of("patient"), rows.filter((row) => categories[values[row]] === who));
    const at = away === 0 ? "here" : Number.isFinite(away) ? `at the nearest sampled voxel, ${short(away)} mm away` : "with a place";
    if (each.letter === "a") words = `Codes ${at}: ${of("control").length} of controls (circles), ${of("patient").length} of patients (diamonds); ${who} a star.`;
  }
  $("here").textContent = words;
  const found = await json("voxel", { ...where(sides.a), detector: $("detector").value, i: voxel[0], j: voxel[1], k: voxel[2] });
  if (page.voxel !== voxel) return;
  $("voxel").textContent = `${mmText(found.mm)}, voxel ${voxel.join(" ")}${found.region ? `, ${found.region}` : ""}${found.note ? `: ${found.note}` : ""}`;
  strip($("strip"), found, who);
  $("verdict").textContent = found.scores.length ? verdict(found, who) : "";
}

// --- what users do -------------------------------------------------------------------------------------------------

function save(how) {
  const chosen = page.brushed?.selected ? `; ${count(rowsOf(page.brushed.selected).length)} codes selected` : "";
  const names = open().map((each) => `${each.space.label}, ${each.embedding}`).join(" beside ");
  const caption = `${page.run.run}: ${names}; coloured by ${$("colour").value}${chosen}. Research use only.`;
  return how(`${page.run.run}-${sides.a.space.model}-${sides.a.embedding}`, open().map((each) => each.scatter), brain, caption);
}

async function saveSelection() {
  const each = page.brushed, places = ["x", "y", "z"];
  for (const { name } of each.space.columns) await column(each, name);
  const along = (axis) => Float32Array.from({ length: each.voxels.length }, (_, row) => each.points[row * each.dimensions + axis]);
  const points = Array.from({ length: each.dimensions }, (_, axis) => [`${each.embedding}_${axis + 1}`, { values: along(axis) }]);
  const names = ["participant_id", ...places, ...each.space.columns.map(({ name }) => name).filter((name) => name !== "participant_id")];
  const columns = Object.fromEntries([...names.map((name) => [name, each.columns[name]]), ...points]);
  saveTsv(`${page.run.run}-${each.space.model}-selection`, columns, rowsOf(each.selected));
}

function use(tool) {
  for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  for (const each of Object.values(sides)) each.scatter.use(tool);
}

function clear() {
  if (page.brushed) select(page.brushed, null);
}

function on(id, event, text, action) {
  $(id).addEventListener(event, () => doing(text, action));
}

const chosenSpace = (id) => page.run.spaces[Number($(id).value)];
on("run", "change", "Opening the run", openRun);
on("model", "change", "Loading codes", async () => {
  page.brushed = sides.b.space ? sides.b : null;
  await openSide("a", chosenSpace("model"));
  if (sides.b.space && $("onto").checked) await showScatter(sides.b);
});
on("beside", "change", "Loading codes", () => openSide("b", $("beside").value === "" ? null : chosenSpace("beside")));
on("embedding", "change", "Loading the embedding", async () => { for (const each of open()) await showScatter(each); });
on("onto", "change", "Laying one over the other", () => showScatter(sides.b));
on("axes", "change", "Drawing", async () => { for (const each of open()) await showScatter(each); });
on("colour", "change", "Colouring", async () => { for (const each of open()) await each.scatter.recolour(await colours(each)); });
on("subject", "change", "Loading the subject", subjectChanged);
on("image", "change", "Loading the image", showImage);
on("overlay", "change", "Loading the overlay", showOverlay);
on("detector", "change", "Loading scores", subjectChanged);
on("png", "click", "Drawing the figure", () => save(savePng));
on("svg", "click", "Drawing the figure", () => save(saveSvg));
on("tsv", "click", "Writing the table", saveSelection);
for (const id of ["opacity", "threshold"]) $(id).addEventListener("input", slid);
for (const id of ["x", "y", "z"]) {
  on(id, "change", "Looking up the voxel", async () => {
    const voxel = toVoxel(page.run.affine, ["x", "y", "z"].map((each) => Number($(each).value)));
    if (!brain.inside(voxel)) throw new Error(`The maps end before ${mmText(["x", "y", "z"].map((each) => Number($(each).value)))}; give a place inside.`);
    await placed(voxel);
  });
}
for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => use(button.dataset.tool));
$("clear").addEventListener("click", clear);
$("dismiss").addEventListener("click", () => { $("error").hidden = true; });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") clear(); });
window.addEventListener("unhandledrejection", (event) => fail(event.reason));

// For tests and the browser's console: what the page holds
window.nigra = { page, sides, brain };

doing("Loading the study", start);
