// An exercise in its page: editor, check, hints, solution; what is done stays in this browser, and can be taken away.
import { ask, end, start } from "./kernel.js";
import { download } from "./workspace.js";

const KEY = "minivae-exercises";
const $ = (id) => document.getElementById(id);
const facts = JSON.parse($("facts")?.textContent ?? "null"); // of this exercise; none on the page that lists them
const load = () => { try { return JSON.parse(localStorage.getItem(KEY)) ?? {}; } catch { return {}; } };
const mine = (name) => ({ text: null, passed: false, tries: 0, hints: 0, sha256: "", ...load()[name] });
const say = (text) => ($("status").textContent = text);
let edit = ""; // what would mend the code, which is told after the last hint

function save(values) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...load(), [facts.name]: { ...mine(facts.name), ...values } }));
  } catch {
    say("This browser keeps nothing: export your answer before you leave.");
  }
}

async function check() {
  const file = `${facts.name}.py`;
  let report = null, timer;
  busy(true);
  try {
    await start("minivae.learn.child", (text, bytes, of) => { say(text); if (of) Object.assign($("bar"), { value: bytes, max: of }); });
    say("checking ...");
    $("bar").removeAttribute("value");
    timer = setTimeout(() => end(`it had not finished after ${facts.seconds} seconds: is there a loop that never ends?`), 1000 * facts.seconds);
    const code = `from pathlib import Path; minivae.learn.child.in_page(Path("/home/${file}"), Path("/home/lessons/checks/${file}"))`;
    await ask({ files: { [file]: $("code").value }, code }, ({ line }) => {
      if (!line.startsWith('{"passed"')) return;
      if (!report) note(JSON.parse(line));
      report = JSON.parse(line);
      $("verdict").textContent = report.text;
    });
  } catch (error) {
    end();
    if (!report) {
      $("verdict").textContent = `FAIL  ${error.message}\n`;
      note({ started: Boolean(timer) });
    }
  }
  clearTimeout(timer);
  busy(false);
  say(report?.passed ? `Exercise ${facts.number} passed. ${facts.why}` : timer ? "Not passed yet." : "Not judged: Python did not start.");
  edit = report?.edit ?? "";
  show();
}

function note({ started, passed, sha256 }) {
  const before = mine(facts.name);
  if (started) save({ tries: before.tries + 1, passed: before.passed || Boolean(passed), ...(passed && { sha256 }) });
}

function busy(is) {
  $("check").disabled = is;
  $("bar").hidden = $("stop").hidden = !is;
}

function show() {
  const { passed, hints } = mine(facts.name), levels = facts.hints.length;
  const told = facts.hints.slice(0, hints).concat(hints > levels ? edit || [] : []);
  $("hints").replaceChildren(...told.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  $("hint").disabled = hints >= levels + (edit ? 1 : 0);
  $("hint").textContent = hints < levels ? `Hint ${hints + 1} of ${levels}` : "From your own code";
  $("solution").hidden = !passed;
  $("answer").textContent = passed ? facts.solution : "";
  $("lines").textContent = $("code").value.split("\n").map((_, i) => i + 1).join("\n");
}

function open() {
  const code = $("code");
  let tabs = true; // Escape, then Tab leaves the editor
  code.value = mine(facts.name).text ?? facts.stub;
  code.oninput = () => { save({ text: code.value }); show(); };
  code.onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("check").click();
    if (event.key === "Tab" && tabs && !event.shiftKey) { event.preventDefault(); document.execCommand("insertText", false, "    "); }
    tabs = event.key !== "Escape";
  };
  code.onscroll = () => ($("lines").scrollTop = code.scrollTop);
  $("check").onclick = check;
  $("stop").onclick = () => end("stopped");
  $("hint").onclick = () => { save({ hints: mine(facts.name).hints + 1 }); show(); };
  $("reset").onclick = () => { if (confirm("Put the exercise back as it was? Your lines are lost.")) { code.value = facts.stub; code.oninput(); } };
  show();
}

if (facts) open();
for (const cell of document.querySelectorAll("[data-exercise]")) {
  const { passed, tries } = mine(cell.dataset.exercise);
  cell.textContent = passed ? "passed" : tries ? "tried" : "-";
}
$("export").onclick = () => download(load());
