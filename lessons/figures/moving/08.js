"use strict";
// Lesson 8: F(mu) = E_q[log p(x = 1.5|z)] of the detector, q = N(mu, 0.5^2). Draws from q at mu = 1, and a mean that moves:
// weighed, the draws stay, and each counts as much as the new q makes it more probable; moved, they slide along.

const X_SEEN = 1.5, MU = 1, STD = 0.5;
let draws = [];

function f(z) { return logNormal(X_SEEN, z * z, 0.5); }

function df(z) { return 8 * z * (X_SEEN - z * z); }

function exactF(mu) { return integral(GRID.map((z) => normal(z, mu, STD) * f(z))); }

function numbers(eps, step) {
  const zs = eps.map((e) => MU + STD * e), n = zs.length;
  const weights = zs.map((z) => Math.exp(logNormal(z, MU + step, STD) - logNormal(z, MU, STD)));
  return {
    weights,
    weighed: sum(zs.map((z, i) => weights[i] * f(z))) / n, moved: sum(zs.map((z) => f(z + step))) / n, exact: exactF(MU + step),
    score: sum(zs.map((z, i) => f(z) * eps[i] / STD)) / n, pathwise: sum(zs.map(df)) / n,
    slope: integral(GRID.map((z) => normal(z, MU, STD) * df(z))),
  };
}

function panel(id, title, step, places, sizes, name) {
  const view = axes($(id), [-0.6, 2.6], [-12, 3.4], { across: "z" });
  const zs = spaced(-0.6, 2.6, 241), bell = (mu) => zs.map((z) => -12 + 5 * normal(z, mu, STD));
  line(view, zs, zs.map(f), "text");
  line(view, zs, bell(MU), "soft", { width: 1.5 });
  line(view, zs, bell(MU + step), "soft", { width: 1.5, dash: [6, 4] });
  places.forEach((z, i) => {
    dot(view, z, f(z), typeof name === "function" ? name(i) : name, sizes(i));
    dot(view, z, -12, typeof name === "function" ? name(i) : name, 2.5);
  });
  text(view, -0.55, 2.4, title);
  text(view, -0.55, 1.3, "curve: f(z) = log p(x|z); bells: q, before and after", "soft");
}

function draw(step) {
  const found = numbers(draws, step), zs = draws.map((e) => MU + STD * e);
  panel("weigh", "weighed: the draws swell or shrink", step, zs, (i) => limited(5 * Math.sqrt(found.weights[i]), 1, 26), (i) => (found.weights[i] >= 1 ? "blue" : "orange"));
  panel("move", "moved: the draws slide", step, zs.map((z) => z + step), () => 5, "green");
  const show = (value) => value.toFixed(2);
  $("numbers").textContent = `Mean of f for the new q, from these ${draws.length} draws: weighed ${show(found.weighed)}, moved ${show(found.moved)}; ` +
    `the truth is ${show(found.exact)}. dF/dmu at the start: by the score function ${show(found.score)}, pathwise ${show(found.pathwise)}; the truth is ${show(found.slope)}.`;
}

function drawAgain() {
  const n = Number($("n").value);
  draws = Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()));
}

const redraw = sliders(["step", "n"], (step, n) => {
  if (n !== draws.length) drawAgain();
  draw(step);
});
$("again").onclick = () => { drawAgain(); redraw(); };
for (const id of ["weigh", "move"]) {
  dragged($(id), (mu) => { $("step").value = mu - MU; redraw(); }, (right) => { $("step").value = Number($("step").value) + 0.05 * right; redraw(); });
}
