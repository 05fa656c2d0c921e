// Python in a worker. {kind, base} starts it; {files, code} writes the files and runs the code. Back come {bytes, of}
// or {note} while it loads, {line} for each line that is printed, and at the end {done} or {error}.
let run;

onmessage = async ({ data }) => {
  try {
    if (data.kind) run = await { wasi, pyodide }[data.kind](data.base);
    else run(data.files, data.code);
    postMessage({ done: true });
  } catch (error) {
    postMessage({ error: `${error.message ?? error}` });
  }
};

const print = (line) => postMessage({ line });

// CPython, NumPy and SciPy in one file of this site: lessons/tools/site.py --offline-bundle.
async function wasi(base) {
  const { Directory, File, ConsoleStdout, OpenFile, PreopenDirectory, WASI } = await import(base + "shim/index.js");
  const [program, library] = await download([base + "python.bin", base + "python-stdlib.zip"]);
  const unzipped = new Blob([program]).stream().pipeThrough(new DecompressionStream("gzip"));
  const folder = (entries) => new Directory(Object.entries(entries));
  const root = { home: folder({}), tmp: folder({}), usr: folder({ local: folder({ lib: folder({ "python315.zip": new File(library) }) }) }) };
  const streams = [new OpenFile(new File([])), ConsoleStdout.lineBuffered(print), ConsoleStdout.lineBuffered(console.warn)];
  const system = new WASI(["/usr/local/bin/python.wasm"], ["TMPDIR=/tmp", "HOME=/home"], [...streams, new PreopenDirectory("/", Object.entries(root))], { debug: false });
  const imports = { wasi_snapshot_preview1: system.wasiImport, host: { call: () => -1 } };
  const response = new Response(unzipped, { headers: { "Content-Type": "application/wasm" } });
  const { instance } = await WebAssembly.instantiateStreaming(response, imports);
  const python = instance.exports;
  system.inst = instance;
  python._initialize();
  return (files, code) => {
    for (const [name, content] of Object.entries(files)) root.home.contents.set(name, new File(bytes(content)));
    const text = bytes(code);
    const start = python.host_alloc(text.length) >>> 0;
    new Uint8Array(python.memory.buffer).set(text, start);
    if (python.turn(start, text.length)) throw new Error("Python ended with an error: see the browser's console");
  };
}

// The same from Pyodide, which fetches what it needs from its own address, and checks it by the hashes of its lock file.
async function pyodide(base) {
  const { loadPyodide } = await import(base + "pyodide.mjs");
  const python = await loadPyodide({ indexURL: base });
  python.setStdout({ batched: print });
  await python.loadPackage(["numpy", "scipy"], { messageCallback: (note) => postMessage({ note }), errorCallback: console.warn });
  if (!python.loadedPackages.scipy) throw new Error("numpy and scipy are not there");
  return (files, code) => {
    for (const [name, content] of Object.entries(files)) python.FS.writeFile("/home/" + name, bytes(content));
    python.runPython(code);
  };
}

const bytes = (content) => (typeof content === "string" ? new TextEncoder().encode(content) : new Uint8Array(content));

async function download(addresses) {
  const responses = await Promise.all(addresses.map((address) => fetch(address)));
  const failed = responses.find((response) => !response.ok);
  if (failed) throw new Error(`${failed.url}: ${failed.status}`);
  const of = responses.reduce((sum, response) => sum + Number(response.headers.get("Content-Length")), 0);
  let loaded = 0;
  const counted = () => new TransformStream({
    transform(chunk, controller) {
      postMessage({ bytes: (loaded += chunk.length), of });
      controller.enqueue(chunk);
    },
  });
  return Promise.all(responses.map((response) => new Response(response.body.pipeThrough(counted())).arrayBuffer()));
}
