"use strict";
// Lesson 7: KL(q || p) of q = N(mu, std^2) from p = N(0, 1), as an area and as four terms.

function numbers(mu, std) {
  const integrand = GRID.map((z) => normal(z, mu, std) * (logNormal(z, mu, std) - logNormal(z, 0, 1))), logvar = 2 * Math.log(std);
  const kl = (mu * mu + Math.expm1(logvar) - logvar) / 2;
  return { integrand, area: integral(integrand), kl, move: mu * mu / 2, width: kl - mu * mu / 2, dmu: mu, dlogvar: Math.expm1(logvar) / 2 };
}

function draw(mu, std) {
  const found = numbers(mu, std), view = axes($("plot"), [-4, 4], [-0.5, 2.2], { across: "z" });
  const at = [...GRID.keys()].filter((i) => Math.abs(GRID[i]) <= 4), zs = at.map((i) => GRID[i]);
  line(view, zs, at.map((i) => Math.max(0, found.integrand[i])), "green", { fill: true });
  line(view, zs, at.map((i) => Math.min(0, found.integrand[i])), "orange", { fill: true });
  line(view, [-4, 4], [0, 0], "line", { width: 1 });
  line(view, zs, zs.map((z) => normal(z, 0, 1)), "soft", { dash: [7, 5], width: 2 });
  line(view, zs, zs.map((z) => normal(z, mu, std)), "blue");
  dot(view, mu, normal(mu, mu, std), "blue", 8);
  text(view, -3.95, 2.05, "the prior p = N(0, 1), dashed", "soft");
  text(view, -3.95, 1.9, `q = N(${mu.toFixed(2)}, ${std.toFixed(2)}^2): drag it`, "blue");
  text(view, -3.95, 1.75, "shaded: q log(q / p), above and below the axis", "green");
  $("numbers").textContent = `Area ${found.area.toFixed(3)}; formula (mu^2 + sigma^2 - 1 - log sigma^2) / 2 = ${found.kl.toFixed(3)} nats: for moving ` +
    `${found.move.toFixed(3)}, for the width ${found.width.toFixed(3)}. Its gradient: dmu = ${found.dmu.toFixed(2)}, dlogvar = ${found.dlogvar.toFixed(2)}.`;
}

const redraw = sliders(["mu", "std"], draw);
const set = (mu, std) => { [$("mu").value, $("std").value] = [mu, std]; redraw(); };
dragged($("plot"), (mu, peak) => set(mu, 1 / (Math.sqrt(2 * Math.PI) * Math.max(peak, 0.1))),
  (right, up) => set(Number($("mu").value) + 0.05 * right, Number($("std").value) - 0.02 * up));
