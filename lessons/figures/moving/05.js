"use strict";
// Lesson 5: z from N(0, 1), x from N(z^2, 0.5^2). The posterior is the slice of the joint at x, divided by its area.

const NOISE = 0.5;

function numbers(x) {
  const joint = GRID.map((z) => Math.exp(logNormal(z, 0, 1) + logNormal(x, z * z, NOISE)));
  const px = integral(joint), posterior = joint.map((value) => value / px);
  const highest = Math.abs(GRID[posterior.indexOf(posterior.reduce((a, b) => Math.max(a, b)))]);
  return { joint, px, logPx: Math.log(px), posterior, highest, mean: integral(posterior.map((p, i) => p * GRID[i])) };
}

function draw(x) {
  const { joint, px, logPx, posterior, highest } = numbers(x);
  const view = axes($("plot"), [-3, 3], [0, Math.max(1.35, 1.08 * posterior.reduce((a, b) => Math.max(a, b)))], { across: "z, hidden", up: "density" });
  const seen = [...GRID.keys()].filter((i) => Math.abs(GRID[i]) <= 3), zs = seen.map((i) => GRID[i]);
  line(view, zs, seen.map((i) => joint[i]), "orange", { fill: true });
  line(view, zs, zs.map((z) => normal(z, 0, 1)), "soft", { dash: [7, 5], width: 2 });
  line(view, zs, seen.map((i) => posterior[i]), "blue");
  text(view, -2.95, view.top * 0.93, "prior p(z), dashed", "soft");
  text(view, -2.95, view.top * 0.86, `posterior p(z|x = ${x.toFixed(2)})`, "blue");
  text(view, -2.95, view.top * 0.79, "p(z) p(x|z), shaded: its area is p(x)", "orange");
  $("numbers").textContent = `p(x) = ${px.toFixed(3)}, log p(x) = ${logPx.toFixed(3)} nats; ` +
    (highest > 0.02 ? `the posterior has two humps, at z = ${highest.toFixed(2)} and -${highest.toFixed(2)}.` : "the posterior has one hump, at z = 0.");
}

const redraw = sliders(["x"], draw);
dragged($("plot"), (z) => { $("x").value = z * z; redraw(); }, (right) => { $("x").value = Number($("x").value) + 0.05 * right; redraw(); });
