// What one takes away: the figure as SVG or PNG, the selected codes as TSV.

const HEIGHT = 420, GAP = 12, CAPTION = 26;

function offer(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

// Scatters and brain side by side, with a line that says what they show
async function figure(scatters, brain, caption) {
  const width = 520, shape = brain.canvas.width / brain.canvas.height || 1, wide = Math.round(HEIGHT * shape);
  const parts = [];
  for (const [number, scatter] of scatters.entries()) {
    const address = await scatter.picture(width, HEIGHT);
    const text = decodeURIComponent(address.slice(address.indexOf(",") + 1));
    const at = number * (width + GAP);
    parts.push(text.replace("<svg ", `<svg x="${at}" y="0" `));
  }
  const left = scatters.length * (width + GAP), total = left + wide;
  parts.push(`<image x="${left}" y="0" width="${wide}" height="${HEIGHT}" href="${brain.picture()}"/>`);
  parts.push(`<text x="6" y="${HEIGHT + 18}" font-family="sans-serif" font-size="12">${escaped(caption)}</text>`);
  const size = `width="${total}" height="${HEIGHT + CAPTION}" viewBox="0 0 ${total} ${HEIGHT + CAPTION}"`;
  const text = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ${size}>` +
    `<rect width="100%" height="100%" fill="#ffffff"/>${parts.join("")}</svg>`;
  return { text, width: total, height: HEIGHT + CAPTION };
}

export async function saveSvg(name, scatters, brain, caption) {
  offer(`${name}.svg`, new Blob([(await figure(scatters, brain, caption)).text], { type: "image/svg+xml" }));
}

export async function savePng(name, scatters, brain, caption) {
  const { text, width, height } = await figure(scatters, brain, caption);
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  offer(`${name}.png`, await new Promise((done) => canvas.toBlob(done, "image/png")));
}

// columns: name -> {values, categories}; rows: which of them
export function saveTsv(name, columns, rows) {
  const names = Object.keys(columns);
  const cell = ({ values, categories }, row) => {
    const value = values[row];
    if (!Number.isFinite(value)) return "n/a";
    return categories ? categories[value] : String(Math.fround(value) === value ? Number(value.toPrecision(7)) : value);
  };
  const lines = rows.map((row) => names.map((each) => cell(columns[each], row)).join("\t"));
  offer(`${name}.tsv`, new Blob([[names.join("\t"), ...lines, ""].join("\n")], { type: "text/tab-separated-values" }));
}
