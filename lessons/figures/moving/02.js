"use strict";
// Lesson 2: y = x W + b and its gradients, entry by entry: which row meets which column, and what is added up.

const x = [[1, 2], [3, 4], [0, -1]], W = [[1, -1], [2, 0]], b = [[0, 1]], dy = [[1, 2], [3, -1], [2, 1]]; // the lesson's, and a third example
const transposed = (A) => A[0].map((_, j) => A.map((row) => row[j]));
const product = (A, B) => A.map((row) => B[0].map((_, j) => sum(row.map((value, k) => value * B[k][j]))));
const ones = [x.map(() => 1)];

function numbers() {
  const y = product(x, W).map((row) => row.map((value, j) => value + b[0][j]));
  return { y, dW: product(transposed(x), dy), dx: product(dy, transposed(W)), db: product(ones, dy) };
}

const PRODUCTS = { // result: its two factors, with their names, and what the sum goes over
  y: ["x", x, "W", W, "the inputs, and the bias is added"], dW: ["x transposed", transposed(x), "dy", dy, "the examples"],
  dx: ["dy", dy, "W transposed", transposed(W), "the outputs"], db: ["ones", ones, "dy", dy, "the examples"],
};
const RESULTS = numbers();
let chosen = ["dW", 0, 1];

function grid(name, values, lit, press) { // a matrix as a table; its entries are buttons where they can be chosen
  const table = document.createElement("table"), caption = table.createCaption();
  caption.textContent = `${name} (${values.length} x ${values[0].length})`;
  values.forEach((row, i) => {
    const line = table.insertRow();
    row.forEach((value, j) => {
      const cell = line.insertCell(), entry = press ? cell.appendChild(document.createElement("button")) : cell;
      entry.textContent = value;
      if (press) Object.assign(entry, { onclick: () => press(i, j), ariaLabel: `${name}, row ${i + 1}, column ${j + 1}`, id: `${name}-${i}-${j}` });
      if (lit(i, j)) cell.className = "lit";
    });
  });
  return table;
}

function draw() {
  const [name, row, column] = chosen, [left, A, right, B, over] = PRODUCTS[name], focused = document.activeElement.id;
  $("factors").replaceChildren(grid(left, A, (i) => i === row), grid(right, B, (i, j) => j === column));
  $("results").replaceChildren(...Object.entries(RESULTS).map(([result, values]) =>
    grid(result, values, (i, j) => result === name && i === row && j === column, (i, j) => { chosen = [result, i, j]; draw(); })));
  const terms = A[row].map((value, k) => `${value} * ${B[k][column]}`.replace(/-\d+$/, "($&)")).join(" + ");
  const bias = name === "y" ? ` + ${b[0][column]}` : "";
  $("numbers").textContent = `${name} = ${left} times ${right}${bias && " plus b"}. Row ${row + 1}, column ${column + 1}: ${terms}${bias} = ` +
    `${RESULTS[name][row][column]}; the sum goes over ${over}.`;
  if (focused && $(focused)) $(focused).focus();
}

document.onkeydown = (event) => { // from entry to entry
  const entries = [...document.querySelectorAll("#results button")], step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step || !entries.includes(document.activeElement)) return;
  event.preventDefault();
  const next = entries[(entries.indexOf(document.activeElement) + step + entries.length) % entries.length];
  next.focus();
  next.click();
};
draw();
