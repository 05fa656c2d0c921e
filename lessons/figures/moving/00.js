"use strict";
// Lesson 0: a place z on the map, and what the decoder draws there: sigmoid(relu(z W + b) W + b), 64 probabilities.

const EDGE = 3.2, SHAPES = "●■▲◆▼○□△◇▽", COLOURS = ["blue", "orange", "green", "text", "soft"];
const ARRAYS = Object.fromEntries(Object.entries(MODEL).filter(([name]) => name !== "labels").map(([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  return [name, new Float32Array(bytes.buffer)];
}));

function linear(x, layer) {
  const W = ARRAYS[`${layer}.W`], b = ARRAYS[`${layer}.b`];
  return Array.from(b, (bias, j) => bias + sum(x.map((value, i) => value * W[i * b.length + j])));
}

function numbers(...z) { return linear(linear(z, "decoder.hidden.0").map((a) => Math.max(a, 0)), "decoder.output").map(sigmoid); }

function draw(...z) {
  const view = axes($("plot"), [-EDGE, EDGE], [-EDGE, EDGE], { across: "first number of z", up: "second number of z" });
  view.c.font = "10px system-ui, sans-serif";
  MODEL.labels.forEach((digit, n) => text(view, ARRAYS.points[2 * n], ARRAYS.points[2 * n + 1], SHAPES[digit], COLOURS[digit % 5], "center"));
  dot(view, ...z, "page", 11);
  dot(view, ...z, "text", 8);
  dot(view, ...z, "orange", 5);
  const p = numbers(...z), c = $("digit").getContext("2d"), image = c.createImageData(8, 8);
  p.forEach((value, d) => image.data.set([0, 1, 2].map(() => 255 * value).concat(255), 4 * d));
  c.putImageData(image, 0, 0);
  const far = (n) => Math.hypot(ARRAYS.points[2 * n] - z[0], ARRAYS.points[2 * n + 1] - z[1]);
  const nearest = [...MODEL.labels.keys()].reduce((best, n) => (far(n) < far(best) ? n : best));
  $("numbers").textContent = `z = (${z.map((value) => value.toFixed(2)).join(", ")}). The nearest of the 360 test images is a ${MODEL.labels[nearest]}.`;
}

$("legend").textContent = [...SHAPES].map((shape, digit) => `${shape} ${digit}`).join("   ");
const redraw = sliders(["first", "second"], draw);
const set = (first, second) => { [$("first").value, $("second").value] = [first, second]; redraw(); };
dragged($("plot"), set, (right, up) => set(Number($("first").value) + 0.1 * right, Number($("second").value) + 0.1 * up));
