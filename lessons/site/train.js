// "Train one here": asks train.py for a few steps, draws, and asks again until it is paused.
import { ask, start } from "./kernel.js";

const STEPS = 4, SHOWN = 600; // steps between two pictures; steps on the curves
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8b6508", "#7f7f7f", "#6a3d9a", "#b2182b"];
const $ = (id) => document.getElementById(id);
let running = false, busy = false, losses = [];

async function some(n, code = `train.steps(${n}, ${Number($("beta").value)})`) {
  if (busy) return;
  busy = true;
  try {
    await start("train", (text) => ($("status").textContent = text));
    await ask({ files: {}, code }, ({ line }) => draw(JSON.parse(line)));
    $("status").textContent = running ? "training" : "paused";
  } catch (error) {
    running = false;
    $("status").textContent = error.message;
  }
  busy = false;
  $("run").textContent = running ? "Pause" : "Train";
  if (running) requestAnimationFrame(() => some(STEPS));
}

function draw(state) {
  losses = losses.concat(state.losses).slice(-SHOWN);
  const [step, loss, reconstruction, kl] = losses.at(-1).map((value) => value.toFixed(2));
  $("numbers").textContent = `step ${Number(step)}: loss ${loss} = reconstruction ${reconstruction} + beta * KL ${kl} nats per example`;
  curves();
  const map = paper("map");
  [map.font, map.textAlign, map.textBaseline] = ["bold 13px sans-serif", "center", "middle"];
  state.mu.forEach(([a, b], i) => {
    map.fillStyle = COLOURS[state.digits[i]];
    map.fillText(state.digits[i], 220 + 55 * a, 220 - 55 * b);
  });
  const samples = paper("samples");
  state.pixels.forEach((image, i) => image.forEach((value, k) => {
    samples.fillStyle = `rgb(${255 - value} ${255 - value} ${255 - value})`;
    samples.fillRect((i % 8) * 55 + (k % 8) * 6.5, Math.floor(i / 8) * 55 + Math.floor(k / 8) * 6.5, 6.6, 6.6);
  }));
}

function paper(id) {
  const pen = $(id).getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
  return pen;
}

function curves() {
  const pen = paper("curves"), top = Math.max(...losses.map((row) => row[1]));
  pen.font = "14px sans-serif";
  ["loss", "reconstruction", "KL"].forEach((name, i) => {
    pen.fillStyle = pen.strokeStyle = COLOURS[[7, 0, 5][i]];
    pen.fillText(name, 12, 110 + 18 * i);
    pen.beginPath();
    losses.forEach((row, k) => pen.lineTo((k / SHOWN) * 900, 255 - (row[i + 1] / top) * 245));
    pen.stroke();
  });
}

$("run").onclick = () => { running = !running; some(STEPS); };
$("step").onclick = () => { running = false; some(1); };
$("again").onclick = () => { if (!busy) { losses = []; some(0, "train.start(); train.steps(1, 1)"); } };
$("beta").oninput = () => ($("shown").textContent = $("beta").value);
