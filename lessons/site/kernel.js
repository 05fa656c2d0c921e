// A page's side of worker.js: one Python, which starts when it is first needed, and can be ended when it hangs.
import python from "./python.js"; // {kind, base}: which Python, and where from

const base = new URL(python.base, import.meta.url).href;
let worker, abandon;

export function ask(message, hear = () => {}) {
  return new Promise((resolve, reject) => {
    abandon = reject;
    worker.onerror = (event) => reject(new Error(event.message || "its worker does not start"));
    worker.onmessage = ({ data }) => (data.done ? resolve() : data.error ? reject(new Error(data.error)) : hear(data));
    worker.postMessage(message);
  });
}

export function end(why) {
  worker?.terminate();
  worker = null;
  abandon?.(new Error(why));
}

// Start it unless it runs, import a module, and say now and then how far it is: say(text, bytes, of).
export async function start(module, say) {
  if (worker) return;
  const began = Date.now();
  let last = `Python is loading from ${base}`, heard = false;
  const clock = setInterval(() => {
    const seconds = Math.round((Date.now() - began) / 1000);
    say(`${last} ... ${seconds} s${seconds > 10 && !heard ? ". Nothing has come yet: a clone of the project needs no browser" : ""}`);
  }, 200);
  worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  try {
    await ask({ kind: python.kind, base }, ({ bytes, of, note }) => {
      heard = true;
      last = of ? `Python is loading: ${(bytes / 1e6).toFixed(1)} of ${(of / 1e6).toFixed(1)} MB` : note ?? last;
      say(last, bytes, of);
    });
    [last, heard] = ["Python is starting", true];
    const zip = await (await fetch(new URL("minivae.zip", import.meta.url))).arrayBuffer();
    const unpack = "import sys, zipfile; zipfile.ZipFile('/home/minivae.zip').extractall('/home'); sys.path.insert(0, '/home')";
    await ask({ files: { "minivae.zip": zip }, code: `${unpack}; import ${module}` });
  } catch (error) {
    end();
    throw new Error(`Python could not be had from ${base} (${error.message}). A clone of the project needs no browser.`);
  } finally {
    clearInterval(clock);
  }
}
