// The brain: an image with an overlay on the cohort's grid, drawn by NiiVue; a click tells its voxel.

import { COLOURS, ladder, rgb, toMm, toVoxel } from "./linked.js";

const HEADER = 352; // bytes before the numbers in the volumes the server sends

function mapOf(colours) {
  const part = (at) => colours.map((colour) => colour[at]);
  return { R: part(0), G: part(1), B: part(2), A: colours.map((_, at) => (at ? 255 : 0)), I: colours.map((_, at) => at) };
}

export class Brain {
  constructor(canvas, onPlace) {
    this.canvas = canvas;
    this.onPlace = onPlace;
    this.view = new niivue.Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [0.34, 0.71, 0.91, 0.9], crosshairWidth: 0.8,
      crosshairWidthUnit: "mm", dragAndDropEnabled: false,
      isColorbar: false, isForceMouseClickToVoxelCenters: true, isNearestInterpolation: true, loadingText: "",
      multiplanarLayout: niivue.MULTIPLANAR_TYPE.ROW, multiplanarShowRender: niivue.SHOW_RENDER.NEVER, show3Dcrosshair: false, logLevel: "error",
    });
  }

  async open() {
    await this.view.attachToCanvas(this.canvas, false);
    this.view.addColormap("nigra-density", mapOf(ladder("viridis")));
    this.view.addColormap("nigra-score", mapOf(ladder("inferno")));
    this.view.addColormap("nigra-abnormal", mapOf(Array.from({ length: 256 }, () => rgb("#e69f00"))));
    this.view.setSliceType(this.view.sliceTypeMultiplanar);
    this.view.onLocationChange = (data) => {
      const voxel = toVoxel(this.affine, data.mm);
      if (!this.silent && this.inside(voxel)) this.onPlace(voxel);
    };
  }

  inside(voxel) {
    return voxel.every((place, axis) => place >= 0 && place < this.shape[axis]);
  }

  // The first volume of a run: its grid is that of all others
  async start(buffer, affine, shape) {
    [this.affine, this.shape] = [affine, shape];
    while (this.view.volumes.length) this.view.removeVolumeByIndex(0);
    const load = (name, opacity) => niivue.NVImage.loadFromUrl({
      url: name, name, buffer: buffer.slice(0), opacity, colormap: "gray", trustCalMinMax: false, colorbarVisible: false,
    });
    this.view.addVolume(await load("image.nii", 1));
    this.view.addVolume(await load("overlay.nii", 0));
    this.image(buffer);
  }

  image(buffer) {
    const values = numbers(buffer), { low, high } = range(values, true);
    this.put(0, values, { colormap: "gray", low, high, opacity: 1 });
  }

  overlay(values, { colormap, low, high, opacity, labels }) {
    this.put(1, values, { colormap, low, high, opacity, labels });
  }

  put(at, values, { colormap, low, high, opacity, labels }) {
    const volume = this.view.volumes[at];
    const below = low - (high - low) - 1;
    volume.img = values.map((value) => (Number.isNaN(value) ? below : value));
    if (labels) volume.setColormapLabel(labels);
    else {
      volume.colormapLabel = null;
      volume.colormap = colormap;
    }
    volume.cal_min = low;
    volume.cal_max = high;
    volume.opacity = opacity;
    this.view.updateGLVolume();
  }

  // low: values below are not shown
  limits(low, high, opacity) {
    const volume = this.view.volumes[1];
    if (!volume) return;
    volume.cal_min = low;
    volume.cal_max = Math.max(high, low + 1e-9);
    volume.opacity = opacity;
    this.view.updateGLVolume();
  }

  go(voxel) {
    this.silent = true;
    this.view.scene.crosshairPos = this.view.mm2frac(toMm(this.affine, voxel));
    this.view.drawScene();
    this.silent = false;
  }

  picture() {
    this.view.drawScene(); // the canvas keeps its picture only until the next frame
    return this.canvas.toDataURL("image/png");
  }
}

export function numbers(buffer) {
  return new Float32Array(buffer.slice(HEADER));
}

// Where most values lie; an image's zeros are what is outside the brain
export function range(values, image = false) {
  const known = Float32Array.from(values.filter((value) => Number.isFinite(value) && !(image && value === 0))).sort();
  const at = (share) => (known.length ? known[Math.round(share * (known.length - 1))] : 0);
  const low = image ? at(0.01) : at(0), high = at(image ? 0.99 : 0.998);
  return { low, middle: at(0.9), high: high > low ? high : low + 1, top: at(1) };
}

// Labels from 0 to the highest: 0 is see-through, neighbours differ in colour
export function labelColours(names) {
  const highest = Math.max(0, ...Object.keys(names).map(Number));
  const at = Array.from({ length: highest + 1 }, (_, label) => label);
  const colours = at.map((label) => rgb(COLOURS[(label * 5) % (COLOURS.length - 1)]));
  const part = (index) => colours.map((colour) => colour[index]);
  return {
    R: part(0), G: part(1), B: part(2), A: at.map((label) => (label && names[label] ? 255 : 0)), I: at,
    labels: at.map((label) => names[label] ?? ""), min: 0, max: highest,
  };
}
