// One scatter of codes: WebGL points by plotly, a brush (lasso or box), marks for the codes at a voxel.

import { frame, rowsOf } from "./linked.js";

const INK = "#1c2733", RULE = "#d7dde2";
const FADED = { marker: { opacity: 0.06 } };
const KEPT = { marker: { opacity: 1 } };

export class Scatter {
  constructor(element, { onSelect, onClick, onHover }) {
    this.element = element;
    this.handlers = { onSelect, onClick, onHover };
    this.tool = "lasso";
    this.selected = null;
    this.marked = [[], [], []];
    this.quiet = 0;
  }

  // Other codes come: what was selected and marked means nothing for them
  forget() {
    this.selected = null;
    this.marked = [[], [], []];
  }

  // Plotly tells of selections that the page itself made or removed, as if a user had
  async quietly(change) {
    this.quiet += 1;
    try {
      await change();
    } finally {
      this.quiet -= 1;
    }
  }

  // points (n x dimensions) row after row; axes: which two of them are shown. Selection and marks are drawn with the
  // points: each further call to plotly would cost as much as this one
  async show(points, dimensions, axes, colours, title) {
    const n = points.length / dimensions;
    const along = (axis) => Float32Array.from({ length: n }, (_, row) => points[row * dimensions + axis]);
    this.x = along(axes[0]);
    this.y = along(axes[1]);
    const mark = (at, marker) => ({
      type: "scattergl", mode: "markers", x: this.at(at, "x"), y: this.at(at, "y"), hoverinfo: "skip", showlegend: false,
      unselected: KEPT, marker,
    });
    const traces = [
      { type: "scattergl", mode: "markers", x: this.x, y: this.y, hoverinfo: "none", showlegend: false,
        marker: this.marker(colours, n), unselected: FADED, ...(this.selected && { selectedpoints: rowsOf(this.selected) }) },
      mark(0, { size: 10, symbol: "circle-open", color: "#0072b2", line: { width: 2 } }),
      mark(1, { size: 10, symbol: "diamond-open", color: "#d55e00", line: { width: 2 } }),
      mark(2, { size: 15, symbol: "star", color: "#000000", line: { width: 1, color: "#ffffff" } }),
    ];
    await this.quietly(() => Plotly.react(this.element, traces, this.layout(axes, title), {
      responsive: true, displayModeBar: false, scrollZoom: true, doubleClick: "reset+autosize",
    }));
    if (!this.listens) this.listen();
  }

  at(mark, axis) {
    return this.marked[mark].map((row) => this[axis][row]);
  }

  marker(colours, n) {
    return {
      size: n > 50000 ? 2 : n > 5000 ? 3 : 5, opacity: n > 20000 ? 0.6 : 0.8, color: colours.numbers,
      colorscale: colours.scale, cmin: colours.low, cmax: colours.high, showscale: !colours.legend,
      colorbar: { thickness: 8, len: 0.9, outlinewidth: 0, tickfont: { size: 10 } },
    };
  }

  layout(axes, title) {
    const axis = (number, values) => ({
      ...(frame(values) && { range: frame(values) }), // a second double click shows all
      title: { text: `${title} ${number + 1}`, font: { size: 11 }, standoff: 4 }, zeroline: false, gridcolor: RULE,
      tickfont: { size: 9 },
    });
    return {
      margin: { l: 42, r: 8, t: 6, b: 32 }, dragmode: this.tool, hovermode: "closest", xaxis: axis(axes[0], this.x),
      yaxis: axis(axes[1], this.y), font: { color: INK, family: "system-ui, sans-serif" }, paper_bgcolor: "#ffffff",
      plot_bgcolor: "#ffffff", uirevision: title, selectionrevision: String(performance.now()),
      newselection: { line: { color: INK, width: 1 } },
    };
  }

  listen() {
    this.listens = true;
    this.element.on("plotly_selected", (event) => {
      if (!event || this.quiet) return;
      const chosen = new Uint8Array(this.x.length);
      for (const point of event.points) if (point.curveNumber === 0) chosen[point.pointIndex] = 1;
      this.handlers.onSelect(chosen);
    });
    this.element.on("plotly_deselect", () => this.quiet || this.handlers.onSelect(null));
    this.element.on("plotly_click", (event) => {
      const point = event.points.find((each) => each.curveNumber === 0);
      if (point) this.handlers.onClick(point.pointIndex);
    });
    this.element.on("plotly_hover", (event) => {
      const point = event.points.find((each) => each.curveNumber === 0);
      if (point) this.handlers.onHover(point.pointIndex);
    });
  }

  recolour(colours) {
    const { color, colorscale, cmin, cmax, showscale } = this.marker(colours, this.x.length);
    const change = { color: [color], colorscale: [colorscale], cmin, cmax, showscale };
    return Plotly.restyle(
      this.element, Object.fromEntries(Object.entries(change).map(([name, value]) => [`marker.${name}`, value])), [0],
    );
  }

  // Uint8Array (n,) or null for all; a lasso or box that is still drawn says something else, and goes
  async select(selected) {
    const before = this.selected;
    this.selected = selected;
    if (!this.x || (!before && !selected)) return;
    await this.quietly(() => Plotly.update(
      this.element, { selectedpoints: [selected ? rowsOf(selected) : null] }, { selections: [] }, [0],
    ));
  }

  // Codes at a voxel: rows of controls, of patients, of the chosen subject
  mark(...rows) {
    const same = rows.every((each, at) => each.length === this.marked[at].length && each.every((row, k) => row === this.marked[at][k]));
    this.marked = rows;
    if (this.x && !same) Plotly.restyle(this.element, { x: rows.map((_, at) => this.at(at, "x")), y: rows.map((_, at) => this.at(at, "y")) }, [1, 2, 3]);
  }

  use(tool) {
    this.tool = tool;
    if (this.x) Plotly.relayout(this.element, { dragmode: tool });
  }

  picture(width, height) {
    return Plotly.toImage(this.element, { format: "svg", width, height });
  }
}
