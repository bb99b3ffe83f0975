// The offline page: the codes it carries, the scatter, three planes of the mean brain, and how they answer each other.

import { bars, count, element, legend, short, trust } from "./details.js";
import { colouring, density, ladder, rowsAt, rowsOf, toMm, unravel, voxelSizes } from "./linked.js";
import { Scatter } from "./scatter.js";

const $ = (id) => document.getElementById(id);
const TYPES = { int32: Int32Array, uint16: Uint16Array, uint8: Uint8Array };
const MISSING = 65535;
const PLANES = { sagittal: [1, 2, 0], coronal: [0, 2, 1], axial: [0, 1, 2] }; // across, up, through
const state = { content: null, block: null, space: null, selected: null, density: null, voxel: null };
const hot = ladder("viridis");

const scatter = new Scatter($("plot"), {
  onSelect: (chosen) => select(chosen, true),
  onClick: (row) => state.space.places[row] >= 0 && go(unravel(state.space.places[row], state.content.shape)),
  onHover: (row) => { $("status").textContent = described(row); },
});

async function unpacked() {
  const text = atob($("data").textContent), packed = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) packed[at] = text.charCodeAt(at); // quicker than Uint8Array.from
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  $("data").remove();
  return new Response(stream).arrayBuffer();
}

function array({ type, at, shape }) {
  return new TYPES[type](state.block, at, shape.reduce((a, b) => a * b, 1));
}

function real(place) {
  const whole = array(place), found = new Float32Array(whole.length);
  for (let at = 0; at < whole.length; at += 1) found[at] = whole[at] === MISSING ? NaN : place.low + whole[at] * place.step;
  return found;
}

// Categories were whole numbers before rounding, and are again
function columnOf(name) {
  const found = state.space.columns.find((column) => column.name === name);
  if (!found.numbers) found.numbers = found.categories ? real(found.values).map(Math.round) : real(found.values);
  return { values: found.numbers, categories: found.categories };
}

const has = (name) => state.space.columns.some((column) => column.name === name);
const who = () => (has("subject") ? "subject" : "participant_id");

function fill(id, names) {
  const before = $(id).value;
  $(id).replaceChildren(...names.map(([value, text]) => element("option", { value }, text)));
  if (names.some(([value]) => value === before)) $(id).value = before;
}

async function openSpace() {
  const space = state.content.spaces[Number($("model").value)];
  if (!(space.places instanceof Int32Array)) space.places = array(space.places);
  Object.assign(state, { space, selected: null });
  scatter.forget();
  fill("embedding", space.embeddings.map(({ name }) => [name, name]));
  fill("colour", space.columns.map(({ name }) => [name, name.replace(/^score:/, "score, ").replace("participant_id", "subject")]));
  $("shown").textContent = `${count(space.shown)} of ${count(space.total)} codes, as many of each subject, drawn at random; values rounded to 16 bits of their range.`;
  go(state.voxel);
  await show();
  select(null);
}

async function show() {
  const found = state.space.embeddings.find(({ name }) => name === $("embedding").value);
  const axes = found.points.map(real), n = axes[0].length, points = new Float32Array(n * axes.length);
  axes.forEach((axis, at) => axis.forEach((value, row) => { points[row * axes.length + at] = value; }));
  $("axes-label").hidden = axes.length < 3;
  const shown = axes.length < 3 ? [0, 1] : $("axes").value.split(",").map(Number);
  await scatter.show(points, axes.length, shown, colours(), found.name);
  $("measures").textContent = trust(state.space.measures.filter((row) => row.embedding === found.name));
}

function colours() {
  const { values, categories } = columnOf($("colour").value), found = colouring(values, categories);
  legend($("legend"), found.legend, (label) => {
    const at = categories.indexOf(label), shown = found.legend.map((entry) => entry.label);
    const other = (value) => !(value >= 0) || !shown.includes(categories[value]);
    select(Uint8Array.from(values, (value) => Number(at < 0 ? other(value) : value === at)));
  });
  return found;
}

function select(chosen, quiet = false) {
  state.selected = chosen && chosen.includes(1) ? chosen : null;
  if (!quiet || !state.selected) scatter.select(state.selected);
  else scatter.selected = state.selected;
  const { shape, affine } = state.content, rows = state.selected ? rowsOf(state.selected) : [];
  state.density = state.selected && density(state.space.places, state.selected, shape, voxelSizes(affine));
  state.highest = state.density ? state.density.reduce((most, value) => Math.max(most, value), 1.01) : 1;
  $("selected").textContent = state.selected
    ? `${count(rows.length)} codes selected. × says how many times more than by chance.`
    : "Brush codes in the scatter, or choose a colour below it.";
  for (const id of ["regions", "subjects"]) $(id).replaceChildren();
  if (state.selected) {
    for (const [id, name] of [["regions", "region"], ["subjects", who()]]) if (has(name)) list(id, columnOf(name));
  }
  draw();
}

function list(id, column) {
  bars($(id), column, state.selected, (label) => {
    const at = column.categories.indexOf(label);
    select(Uint8Array.from(column.values, (value) => Number(value === at)));
  });
}

function described(row) {
  const name = (column) => { const { values, categories } = columnOf(column); return categories[values[row]] ?? ""; };
  return [who(), "region"].filter(has).map(name).filter(Boolean).join(", ");
}

function key([i, j, k]) {
  return i + state.content.shape[0] * (j + state.content.shape[1] * k);
}

function go(voxel) {
  state.voxel = voxel;
  voxel.forEach((value, axis) => { $("xyz"[axis]).value = value; });
  const { shape, affine, regions } = state.content, mm = toMm(affine, voxel);
  const { rows, away } = rowsAt(state.space.places, key(voxel), mm, voxel, shape, affine);
  const group = has("group") ? columnOf("group") : { values: [], categories: [] };
  const of = (name) => rows.filter((row) => group.categories[group.values[row]] === name);
  scatter.mark(of("control"), of("patient"), []);
  const region = state.labels ? regions[state.labels[labelAt(voxel)]] : "";
  const here = away === 0 ? "codes here" : `codes at the nearest sampled voxel, ${short(away)} mm away`;
  $("voxel").textContent = `(${mm.map((value) => Number(value.toFixed(1))).join(", ")}) mm, voxel ${voxel.join(" ")}${region ? `, ${region}` : ""}; ${here}: ${of("control").length} of controls (circles), ${of("patient").length} of patients (diamonds).`;
  draw();
}

// Volumes of the page are in C order: the last axis runs fastest
function labelAt([i, j, k]) {
  return k + state.content.shape[2] * (j + state.content.shape[1] * i);
}

function draw() {
  const { shape } = state.content;
  for (const [name, [across, up, through]] of Object.entries(PLANES)) {
    const canvas = $(name), context = canvas.getContext("2d"), voxel = [...state.voxel];
    const picture = context.createImageData(shape[across], shape[up]);
    for (let row = 0; row < shape[up]; row += 1) {
      for (let at = 0; at < shape[across]; at += 1) {
        [voxel[across], voxel[up]] = [at, shape[up] - 1 - row];
        picture.data.set(colourAt(voxel, voxel[across] === state.voxel[across] || voxel[up] === state.voxel[up]), 4 * (row * shape[across] + at));
      }
    }
    context.putImageData(picture, 0, 0);
    canvas.setAttribute("aria-label", `${name} plane, voxel ${state.voxel[through]}`);
  }
}

function colourAt(voxel, crossed) {
  const grey = state.background[labelAt(voxel)], lift = state.density ? state.density[key(voxel)] : 0;
  let colour = [grey, grey, grey];
  if (grey && lift > 1) {
    const warm = hot[Math.round((255 * (lift - 1)) / (state.highest - 1 || 1))];
    colour = colour.map((value, part) => 0.25 * value + 0.75 * warm[part]);
  }
  if (crossed) colour = colour.map((value, part) => 0.6 * value + 0.4 * [86, 180, 233][part]);
  return [...colour, 255];
}

function prepare() {
  const { shape, affine, background, labels } = state.content, sizes = voxelSizes(affine);
  state.background = array(background);
  state.labels = labels && array(labels);
  for (const [name, [across, up, through]] of Object.entries(PLANES)) {
    const canvas = $(name);
    [canvas.width, canvas.height] = [shape[across], shape[up]];
    canvas.style.aspectRatio = `${shape[across] * sizes[across]} / ${shape[up] * sizes[up]}`;
    canvas.addEventListener("click", (event) => {
      const voxel = [...state.voxel];
      voxel[across] = Math.floor((event.offsetX / canvas.clientWidth) * shape[across]);
      voxel[up] = shape[up] - 1 - Math.floor((event.offsetY / canvas.clientHeight) * shape[up]);
      go(voxel);
    });
    Object.assign($("xyz"[through]), { min: 0, max: shape[through] - 1, step: 1 });
    $("xyz"[through]).addEventListener("input", () => go(["x", "y", "z"].map((id) => Number($(id).value))));
  }
  state.voxel = shape.map((length) => Math.floor(length / 2));
}

function listen() {
  $("model").addEventListener("change", openSpace);
  for (const id of ["embedding", "axes"]) $(id).addEventListener("change", show);
  $("colour").addEventListener("change", () => scatter.recolour(colours()));
  $("clear").addEventListener("click", () => select(null));
  document.addEventListener("keydown", (event) => event.key === "Escape" && select(null));
  const tools = [...document.querySelectorAll("[data-tool]")];
  for (const button of tools) {
    button.addEventListener("click", () => {
      for (const each of tools) each.setAttribute("aria-pressed", String(each === button));
      scatter.use(button.dataset.tool);
    });
  }
}

async function start() {
  state.content = JSON.parse($("content").textContent);
  state.block = await unpacked();
  prepare();
  fill("model", state.content.spaces.map((space, at) => [String(at), space.label]));
  listen();
  await openSpace();
  $("status").textContent = "Ready";
}

start().catch((error) => { $("status").textContent = `This page could not be opened (${error.message}); try a browser of 2023 or later.`; });
