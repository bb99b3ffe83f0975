// Sort any table by its column heads, and filter the long ones. Without this script the tables are still whole.
"use strict";

function keyOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.key === undefined ? cell.textContent.trim() : Number(cell.dataset.key.replace("inf", "Infinity"));
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : a < b ? -1 : 1;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(table, head) {
  const column = head.cellIndex;
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
  const rows = Array.from(table.tBodies[0].rows, (row) => [keyOf(row, column), row]);
  const missing = (key) => key === Infinity || key === "";
  rows.sort(([a], [b]) => missing(a) - missing(b) || sign * compare(a, b));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

function addFilter(frame, table) {
  const field = document.createElement("input");
  const said = document.createElement("output");
  field.type = "search";
  field.placeholder = "Show rows with all these words";
  field.setAttribute("aria-label", "Filter the rows of the table");
  const update = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    said.textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
  };
  field.addEventListener("input", update);
  const bar = document.createElement("p");
  bar.className = "filter";
  bar.append(field, said);
  frame.before(bar);
  update();
}

window.addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});

for (const table of document.querySelectorAll("table[data-sortable]")) {
  for (const head of table.tHead.rows[0].cells) {
    head.firstElementChild.addEventListener("click", () => sortBy(table, head));
  }
  const frame = table.parentElement;
  if (frame.classList.contains("long")) addFilter(frame, table);
}
