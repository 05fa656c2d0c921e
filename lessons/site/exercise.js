// An exercise in its page: editor, check, hints, solution; what is done stays in this browser, and can be taken away.
import python from "./python.js"; // {kind, base}: which Python, and where from

const LOADING = "Python is loading from";
const KEY = "minivae-exercises";
const here = (name) => new URL(name, import.meta.url);
const $ = (id) => document.getElementById(id);
const facts = JSON.parse($("facts")?.textContent ?? "null"); // of this exercise; none on the page that lists them
const load = () => { try { return JSON.parse(localStorage.getItem(KEY)) ?? {}; } catch { return {}; } };
const mine = (name) => ({ text: null, passed: false, tries: 0, hints: 0, sha256: "", ...load()[name] });

function save(values) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...load(), [facts.name]: { ...mine(facts.name), ...values } }));
  } catch {
    say("This browser keeps nothing: export your answer before you leave.");
  }
}

// ---- Python, in a worker that is started when it is first needed, and ended when it hangs

let worker, abandon;

function ask(message, hear) {
  return new Promise((resolve, reject) => {
    abandon = reject;
    worker.onerror = (event) => reject(new Error(event.message || "its worker does not start"));
    worker.onmessage = ({ data }) => (data.done ? resolve() : data.error ? reject(new Error(data.error)) : hear(data));
    worker.postMessage(message);
  });
}

function end(why) {
  worker?.terminate();
  worker = null;
  abandon?.(new Error(why));
}

async function start() {
  if (worker) return;
  const base = new URL(python.base, import.meta.url).href;
  doing = `${LOADING} ${base}`;
  worker = new Worker(here("worker.js"), { type: "module" });
  try {
    await ask({ kind: python.kind, base }, ({ bytes, of, note }) => {
      if (of) Object.assign($("bar"), { value: bytes, max: of });
      doing = of ? `Python is loading: ${(bytes / 1e6).toFixed(1)} of ${(of / 1e6).toFixed(1)} MB` : note ?? doing;
    });
    doing = "Python is starting";
    const zip = await (await fetch(here("minivae.zip"))).arrayBuffer();
    const unpack = "import sys, zipfile; zipfile.ZipFile('/home/minivae.zip').extractall('/home'); sys.path.insert(0, '/home')";
    await ask({ files: { "minivae.zip": zip }, code: `${unpack}; import minivae.learn.child` });
  } catch (error) {
    end();
    throw new Error(`Python could not be had from ${base} (${error.message}). In a clone of the project, minivae check ${facts.number} needs no browser.`);
  }
}

// ---- one check

let doing = "";
const say = (text) => ($("status").textContent = text);

async function check() {
  let report = null, timer;
  const began = Date.now(), file = `${facts.name}.py`;
  const clock = setInterval(() => {
    const seconds = Math.round((Date.now() - began) / 1000), waits = seconds > 10 && doing.startsWith(LOADING);
    say(`${doing} ... ${seconds} s${waits ? `. Nothing has come yet: in a clone, minivae check ${facts.number} needs no browser` : ""}`);
  }, 200);
  busy(true);
  try {
    await start();
    doing = "checking";
    timer = setTimeout(() => end(`it had not finished after ${facts.seconds} seconds: is there a loop that never ends?`), 1000 * facts.seconds);
    const code = `from pathlib import Path; minivae.learn.child.in_page(Path("/home/${file}"), Path("/home/lessons/checks/${file}"))`;
    await ask({ files: { [file]: $("code").value }, code }, ({ line }) => {
      if (!line.startsWith('{"passed"')) return;
      const { passed, tries } = mine(facts.name), first = !report;
      report = JSON.parse(line);
      $("verdict").textContent = report.text;
      if (first && report.started) save({ tries: tries + 1, passed: passed || report.passed, ...(report.passed && { sha256: report.sha256 }) });
    });
  } catch (error) {
    if (worker) end();
    if (!report) { $("verdict").textContent = `FAIL  ${error.message}\n`; save({ tries: mine(facts.name).tries + 1 }); }
  }
  clearTimeout(timer);
  clearInterval(clock);
  busy(false);
  say(report?.passed ? `Exercise ${facts.number} passed. ${facts.why}` : `Not passed yet, after ${((Date.now() - began) / 1000).toFixed(1)} s.`);
  edit = report?.edit;
  show();
}

// ---- the page

let edit = ""; // what would mend the code, which is told after the last hint

function busy(is) {
  $("check").disabled = is;
  $("bar").hidden = $("stop").hidden = !is;
  $("bar").removeAttribute("value");
}

function show() {
  const { passed, hints } = mine(facts.name);
  const told = facts.hints.slice(0, hints).concat(hints > facts.hints.length ? edit || [] : []);
  $("hints").replaceChildren(...told.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  $("hint").disabled = hints >= facts.hints.length + (edit ? 1 : 0);
  $("hint").textContent = hints < facts.hints.length ? `Hint ${hints + 1} of ${facts.hints.length}` : "From your own code";
  $("solution").hidden = !passed;
  $("answer").textContent = passed ? facts.solution : "";
  $("lines").textContent = $("code").value.split("\n").map((_, i) => i + 1).join("\n");
}

function open() {
  const code = $("code");
  code.value = mine(facts.name).text ?? facts.stub;
  code.oninput = () => { save({ text: code.value }); show(); };
  let tabs = true; // Escape, then Tab leaves the editor
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
$("export").onclick = async () => (await import("./workspace.js")).download(load());
