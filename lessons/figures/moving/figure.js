"use strict";
// What the moving figures share: the formulas of the Gaussian, sums on a grid, axes, dragging.

const $ = (id) => document.getElementById(id);
const VIEWS = new Map(); // canvas -> its axes as they were last drawn
const LOG_2PI = Math.log(2 * Math.PI);

function logNormal(x, mean, std) { return -(LOG_2PI + ((x - mean) / std) ** 2) / 2 - Math.log(std); }

function normal(x, mean, std) { return Math.exp(logNormal(x, mean, std)); }

function softplus(a) { return Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))); }

function sigmoid(a) { return Math.exp(-softplus(-a)); }

function spaced(low, high, n) { return Array.from({ length: n }, (_, i) => low + (high - low) * i / (n - 1)); }

function sum(values) { return values.reduce((total, value) => total + value, 0); }

const GRID = spaced(-14, 14, 5601), DZ = GRID[1] - GRID[0]; // the step of the lessons, and wider: q may reach far

function integral(values) { return sum(values) * DZ; } // over GRID

function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(); }

function axes(canvas, [left, right], [bottom, top], { across = "", up = "", ticks = true } = {}) {
  const ratio = window.devicePixelRatio || 1, { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const c = canvas.getContext("2d"), [x0, x1, y0, y1] = [up ? 34 : 8, width - 8, height - (across || ticks ? 36 : 4), 8];
  c.scale(ratio, ratio);
  c.font = "13px system-ui, sans-serif";
  c.lineJoin = "round";
  const X = (v) => x0 + (v - left) / (right - left) * (x1 - x0), Y = (v) => y0 + (v - bottom) / (top - bottom) * (y1 - y0);
  c.strokeStyle = colour("line");
  c.fillStyle = colour("soft");
  c.beginPath();
  c.moveTo(x0, y0);
  c.lineTo(x1, y0);
  if (ticks) c.stroke();
  c.textAlign = "center";
  if (ticks) for (let v = Math.ceil(left); v <= right; v++) c.fillText(v, X(v), y0 + 16);
  c.fillText(across, (x0 + x1) / 2, y0 + 32);
  c.save();
  c.translate(14, (y0 + y1) / 2);
  c.rotate(-Math.PI / 2);
  c.fillText(up, 0, 0);
  c.restore();
  c.beginPath();
  c.rect(x0 - 8, 0, width, y0 + 4);
  c.clip();
  const inverse = (x, y) => ({ x: left + (x - x0) / (x1 - x0) * (right - left), y: bottom + (y - y0) / (y1 - y0) * (top - bottom) });
  VIEWS.set(canvas, { c, X, Y, top, inverse });
  return VIEWS.get(canvas);
}

function line({ c, X, Y }, xs, ys, name, { dash = [], width = 2.5, fill = false } = {}) {
  c.beginPath();
  xs.forEach((x, i) => c.lineTo(X(x), Y(ys[i])));
  Object.assign(c, { strokeStyle: colour(name), fillStyle: colour(name), lineWidth: width });
  c.setLineDash(dash);
  if (fill) {
    c.globalAlpha = 0.3;
    c.lineTo(X(xs[xs.length - 1]), Y(0));
    c.lineTo(X(xs[0]), Y(0));
    c.fill();
    c.globalAlpha = 1;
  } else c.stroke();
  c.setLineDash([]);
}

function dot({ c, X, Y }, x, y, name, size = 6) {
  c.beginPath();
  c.arc(X(x), Y(y), size, 0, 2 * Math.PI);
  c.fillStyle = colour(name);
  c.fill();
}

function text({ c, X, Y }, x, y, words, name = "text", align = "left") {
  Object.assign(c, { fillStyle: colour(name), textAlign: align });
  c.fillText(words, X(x), Y(y));
}

function dragged(canvas, onMove, onKeys) { // onMove(x, y) in the units of the axes; onKeys(right, up) in steps
  const move = (event) => {
    const { left, top } = canvas.getBoundingClientRect(), { x, y } = VIEWS.get(canvas).inverse(event.clientX - left, event.clientY - top);
    onMove(x, y);
  };
  canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); move(event); };
  canvas.onpointermove = (event) => { if (event.buttons) move(event); };
  canvas.onkeydown = (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    onKeys(...step);
  };
}

function sliders(ids, draw) { // the values of range inputs, each shown beside it
  const read = () => ids.map((id) => Number($(id).value));
  const all = () => {
    ids.forEach((id) => { $(id).parentElement.querySelector("output").textContent = Number($(id).value).toFixed(Number($(id).step) < 1 ? 2 : 0); });
    draw(...read());
  };
  ids.forEach((id) => { $(id).oninput = all; });
  addEventListener("resize", all);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  all();
  return all;
}

function limited(value, low, high) { return Math.min(high, Math.max(low, value)); }
