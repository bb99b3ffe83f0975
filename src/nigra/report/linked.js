// What the explorer and the offline page share: colours, places in the brain, densities, counts. No page is touched.

// Okabe and Ito's colours, safe for colour-blind readers; yellow is left out, as it vanishes on white.
export const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#1c2733"];
export const OTHERS = "#c3c9ce";
const GROUPS = { control: "#0072b2", patient: "#d55e00" };
const LADDERS = {
  viridis: ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"],
  inferno: ["#000004", "#1b0c41", "#4a0c6b", "#781c6d", "#a52c60", "#cf4446", "#ed6925", "#fb9b06", "#f7d13d", "#fcffa4"],
};

export function colourScale(name) {
  const steps = LADDERS[name];
  return steps.map((colour, index) => [index / (steps.length - 1), colour]);
}

export function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// 256 colours of a ladder, [r, g, b] each
export function ladder(name) {
  const steps = LADDERS[name].map(rgb);
  return Array.from({ length: 256 }, (_, index) => {
    const at = (index / 255) * (steps.length - 1), low = Math.min(Math.floor(at), steps.length - 2);
    return steps[low].map((value, part) => Math.round(value + (at - low) * (steps[low + 1][part] - value)));
  });
}

export function quantiles(values, shares) {
  const known = Float32Array.from(values.filter((value) => Number.isFinite(value))).sort();
  return shares.map((share) => (known.length ? known[Math.round(share * (known.length - 1))] : NaN));
}

// The middle 98 % of an axis where few codes far away would press all others into a corner; null: show it whole
export function frame(values) {
  const [first, low, high, last] = quantiles(values, [0, 0.01, 0.99, 1]), edge = 0.1 * (high - low);
  return high > low && high - low < (last - first) / 4 ? [low - edge, high + edge] : null;
}

// The most frequent categories have a colour each, all others share grey: nobody can tell a hundred colours apart.
export function colouring(values, categories) {
  if (!categories) {
    const [low, high] = quantiles(values, [0.02, 0.98]);
    return { numbers: values, scale: colourScale("viridis"), low, high: high > low ? high : low + 1, legend: null };
  }
  const counts = new Array(categories.length).fill(0);
  for (const value of values) if (value >= 0) counts[value] += 1;
  const order = counts.map((_, index) => index).sort((a, b) => counts[b] - counts[a] || a - b);
  const shown = order.filter((index) => counts[index]).slice(0, COLOURS.length);
  const place = new Array(categories.length).fill(shown.length);
  shown.forEach((index, rank) => (place[index] = rank));
  const colours = shown.map((index, rank) => GROUPS[categories[index]] ?? COLOURS[rank]);
  const legend = shown.map((index, rank) => ({ label: categories[index], colour: colours[rank], count: counts[index] }));
  const rest = values.length - legend.reduce((sum, entry) => sum + entry.count, 0);
  if (rest) legend.push({ label: "others", colour: OTHERS, count: rest });
  const all = [...colours, OTHERS];
  const scale = all.flatMap((colour, rank) => [[rank / all.length, colour], [(rank + 1) / all.length, colour]]);
  const numbers = Float32Array.from(values, (value) => (value >= 0 ? place[value] : shown.length));
  return { numbers, scale, low: -0.5, high: all.length - 0.5, legend };
}

// A voxel's number in a volume whose first axis runs fastest, as in NIfTI; -1 where a code has no voxel of its own.
export function voxelKeys(x, y, z, shape) {
  return Int32Array.from(x, (i, row) => {
    const key = i + shape[0] * (y[row] + shape[1] * z[row]);
    return Number.isInteger(key) && key >= 0 ? key : -1;
  });
}

// One number per subject and voxel, the same in every model: what links the codes of two models.
export function codeKeys(voxels, subjects, names, shape) {
  const size = shape[0] * shape[1] * shape[2];
  const number = subjects.categories.map((name) => names.indexOf(name));
  return Float64Array.from(voxels, (key, row) => (key < 0 ? NaN : number[subjects.values[row]] * size + key));
}

export function linked(keys, selected, others) {
  const chosen = new Set();
  keys.forEach((key, row) => selected[row] && chosen.add(key));
  return Uint8Array.from(others, (key) => (chosen.has(key) ? 1 : 0));
}

export function rowsOf(selected) {
  const rows = [];
  selected.forEach((value, row) => value && rows.push(row));
  return rows;
}

// How much more often than by chance codes near a voxel are selected: 1 where their share is that of all codes.
// Codes are counted in a Gaussian window of `sigma` mm, so that uneven sampling does not show as density.
export function density(voxels, selected, shape, sizes, sigma = 4) {
  const length = shape[0] * shape[1] * shape[2];
  const all = new Float32Array(length), part = new Float32Array(length);
  let total = 0, chosen = 0;
  voxels.forEach((key, row) => {
    if (key < 0) return;
    all[key] += 1;
    total += 1;
    if (selected[row]) { part[key] += 1; chosen += 1; }
  });
  if (!chosen) return new Float32Array(length);
  const near = smooth(all, shape, sizes, sigma), mine = smooth(part, shape, sizes, sigma);
  const enough = 0.05 * near.reduce((most, value) => Math.max(most, value), 0);
  return mine.map((value, at) => (near[at] > enough ? (value / near[at]) * (total / chosen) : 0));
}

function smooth(values, shape, sizes, sigma) {
  const strides = [1, shape[0], shape[0] * shape[1]];
  return [0, 1, 2].reduce((from, axis) => {
    const reach = Math.ceil((2.5 * sigma) / sizes[axis]);
    const weights = Array.from({ length: reach + 1 }, (_, step) => Math.exp(-0.5 * ((step * sizes[axis]) / sigma) ** 2));
    const sum = 2 * weights.reduce((a, b) => a + b, 0) - weights[0];
    const to = new Float32Array(from.length);
    for (let at = 0; at < from.length; at += 1) {
      if (!from[at]) continue;
      const place = Math.floor(at / strides[axis]) % shape[axis];
      for (let step = -Math.min(reach, place); step <= Math.min(reach, shape[axis] - 1 - place); step += 1) {
        to[at + step * strides[axis]] += (from[at] * weights[Math.abs(step)]) / sum;
      }
    }
    return to;
  }, values);
}

// Categories of the selected codes: how many, of how many, and how many times more than their share of all codes.
export function tally(values, categories, selected) {
  const all = new Array(categories.length).fill(0), mine = new Array(categories.length).fill(0);
  let total = 0, chosen = 0;
  values.forEach((value, row) => {
    if (!(value >= 0)) return;
    all[value] += 1;
    total += 1;
    if (selected[row]) { mine[value] += 1; chosen += 1; }
  });
  return categories
    .map((label, index) => ({
      label, selected: mine[index], of: all[index],
      lift: mine[index] ? (mine[index] / chosen) / (all[index] / total) : 0,
    }))
    .filter((entry) => entry.selected)
    .sort((a, b) => b.selected - a.selected || b.lift - a.lift);
}

// Rows at a voxel; where nobody has a code right there, those of the nearest voxel that has, and how far it is (mm).
export function rowsAt(voxels, key, mm, voxel, shape, affine) {
  const rows = [];
  voxels.forEach((each, row) => each === key && rows.push(row));
  if (rows.length) return { rows, away: 0 };
  let best = -1, away = Infinity;
  voxels.forEach((each) => {
    if (each < 0) return;
    const at = toMm(affine, unravel(each, shape));
    const distance = Math.hypot(at[0] - mm[0], at[1] - mm[1], at[2] - mm[2]);
    if (distance < away) { away = distance; best = each; }
  });
  voxels.forEach((each, row) => best >= 0 && each === best && rows.push(row));
  return { rows, away };
}

export function unravel(key, shape) {
  return [key % shape[0], Math.floor(key / shape[0]) % shape[1], Math.floor(key / (shape[0] * shape[1]))];
}

export function toMm(affine, voxel) {
  return [0, 1, 2].map((row) => affine[row][3] + [0, 1, 2].reduce((sum, at) => sum + affine[row][at] * voxel[at], 0));
}

export function toVoxel(affine, mm) {
  const [a, b, c] = affine, d = [0, 1, 2].map((row) => mm[row] - affine[row][3]);
  const det = (p, q, r) => p[0] * (q[1] * r[2] - q[2] * r[1]) - p[1] * (q[0] * r[2] - q[2] * r[0]) + p[2] * (q[0] * r[1] - q[1] * r[0]);
  const whole = det(a, b, c);
  return [0, 1, 2].map((at) => {
    const swap = (row, value) => row.slice(0, 3).map((each, index) => (index === at ? value : each));
    return Math.round(det(swap(a, d[0]), swap(b, d[1]), swap(c, d[2])) / whole);
  });
}

export function voxelSizes(affine) {
  return [0, 1, 2].map((at) => Math.hypot(affine[0][at], affine[1][at], affine[2][at]));
}
