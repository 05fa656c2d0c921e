"""The result of a benchmark as lines for a reader."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WIDTH = 110
OURS = "as fit has them: rows shuffled and gathered, losses summed and checked"  # epochs
BUSY = 1.0  # processes that wanted a core before the benchmark began


def report(result: Mapping[str, Any]) -> list[str]:
    """All there is to say."""
    lines = [*machine_lines(result["machine"]), "", *textwrap.wrap(result["protocol"], WIDTH), ""]
    lines += step_lines(result)
    for name, row in result["small"].items():
        lines += ["", *timing_lines(name, row["timings"], unit="us"), "", *ratio_lines(row["ratio_ranges"])]
    if result["gan_step_ms"]:
        lines += ["", *timing_lines("gan", result["gan"]["timings"]), "", *ratio_lines(result["gan"]["ratio_ranges"])]
    lines += ["", *timing_lines("iwae", result["iwae"]["timings"]), "", *ratio_lines(result["iwae"]["ratio_ranges"])]
    if "gpu" in result:
        lines += ["", *gpu_lines(result["gpu"])]
    if "batches" in result:
        for size, steps in result["batches"].items():
            lines += ["", *timing_lines(f"batch {size}", steps["timings"]), "", *ratio_lines(steps["ratio_ranges"])]
        lines += ["", *start_lines(result), "", *epoch_lines(result), "", *kernel_lines(result)]
    notes = [f"skipped {name}: {reason}" for name, reason in result["skipped"].items()]
    if (result["load_average"] or 0) > BUSY:
        notes.append(
            f"note: the machine had been busy just before (load {result['load_average']:.1f}); threads that wait for "
            "each other suffer most from company: measure again when it is idle"
        )
    return [*lines, *(line for note in notes for line in ["", *textwrap.wrap(note, WIDTH)])]


def columns(rows: Iterable[Sequence[str]], first: int = 16, other: int = 12) -> list[str]:
    """Rows of a table: the first column to the left, the others to the right."""
    rows = list(rows)
    first = max(first, *(len(row[0]) + 1 for row in rows))
    return [f"{row[0]:<{first}}" + "".join(f"{cell:>{other}}" for cell in row[1:]) for row in rows]


def machine_lines(facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The machine, then the libraries and threads of each contender's process."""
    one = next(iter(facts.values()))
    versions = {name: version for process in facts.values() for name, version in process["versions"].items()}
    settings = ", ".join(f"{name}={value}" for name, value in one["settings"].items())
    lines = [
        f"processor       {one['processor']}, {one['cores']} cores, {one['vector width']}",
        f"python          {one['python']}; {', '.join(f'{name} {version}' for name, version in versions.items())}",
        f"settings        {settings or 'none that is about threads, in the environment'}",
    ]
    for name, process in facts.items():
        lines.append(f"{name:<15} {'; '.join(process['threads']) or 'threads of its own, which it does not tell'}")
    return [line for long in lines for line in textwrap.wrap(long, WIDTH, subsequent_indent=16 * " ")]


def step_lines(result: Mapping[str, Any]) -> list[str]:
    """The training step at the batch size that was asked for, with the losses, then the ratios."""
    starts = result["starts"]
    title = f"batch {result['batch_size']}"
    losses = {name: "{first_loss:.1f} -> {loss:.1f} after {steps}".format(**start) for name, start in starts.items()}
    lines = timing_lines(title, result["timings"], "loss after so many steps", losses)
    return [*lines, "", *ratio_lines(result["ratio_ranges"])]


def timing_lines(
    title: str, timings: Mapping[str, Any], heading: str = "", notes: Mapping[str, str] | None = None, unit: str = "ms"
) -> list[str]:
    """Milliseconds per step, or microseconds."""
    per_ms, digits = (1, 3) if unit == "ms" else (1000, 1)
    rows = [[title, f"median {unit}", "min", "max", *([f"    {heading}"] if heading else [])]]
    for name, timing in timings.items():
        note = [f"{notes[name]:>{len(heading) + 4}}"] if notes else []
        rows.append([name, *(f"{per_ms * timing[key]:.{digits}f}" for key in ("median", "min", "max")), *note])
    return columns(rows)


def ratio_lines(ratios: Mapping[str, Any]) -> list[str]:
    """How many times as long the first takes as the second."""
    if not ratios:
        return []
    width = max(map(len, ratios)) + 4
    rows = [["time of / time of", "median", "min", "max"]]
    rows += [[name, *(f"{ratio[key]:.2f}" for key in ("median", "min", "max"))] for name, ratio in ratios.items()]
    return columns(rows, max(width, 20), 8)


def gpu_lines(gpu: Mapping[str, Any]) -> list[str]:
    """The device, an epoch, and how near a step with a large batch comes to the peak of its products."""
    tf32 = "TF32 (MINIVAE_TF32=1), ours and PyTorch's" if gpu["tf32"] else "no TF32, neither ours nor PyTorch's"
    epoch = gpu["epoch"]
    median, low, high = (f"{1e3 * epoch[key]:.2f}" for key in ("median", "min", "max"))
    lines = [
        f"device          {gpu['device']}, driver {gpu['driver']}, CUDA {gpu['cuda']}; {tf32}",
        f"epoch           {median} ms ({low} to {high}) for {epoch['steps']} steps of {epoch['batch_size']} by cupy, "
        f"{OURS}",
        f"batch {gpu['batch_size']:<10}{gpu['ms']:.3f} ms for a step of cupy in epochs of {gpu['epoch_steps']}: "
        f"{gpu['fraction_of_peak']:.0%} of the {gpu['peak'] / 1e12:.1f} Tflop/s of a large product, counting its "
        "products alone",
    ]
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent=16 * " ")]


# ---------------------------------------------------------------------------------------------------------
# With --full


def start_lines(result: Mapping[str, Any]) -> list[str]:
    """What it takes to begin, and the memory."""
    rows = [["start", "import s", "first step s", "peak MB"]]
    for name, start in result["starts"].items():
        peak = result["peak_memory_mb"][name]
        seconds = [f"{start[key]:.2f}" for key in ("import_seconds", "first_step_seconds")]
        rows.append([name, *seconds, "unknown" if peak is None else f"{peak:.0f}"])
    note = (
        "(the first step, a whole epoch of ours and jax scan, compiles or loads what was compiled; in no other timing)"
    )
    return [*columns(rows, other=14), note]


def epoch_lines(result: Mapping[str, Any]) -> list[str]:
    """Epochs, and examples per second: encoded, decoded, their log p(x) by importance sampling."""
    rows = [["epoch", "median s", "min", "max", "encode/s", "decode/s", "log p(x)/s"]]
    for name, seconds in result["epoch_seconds"].items():
        found = result["examples_per_second"].get(name, {})
        rates = [f"{found[what]:,.0f}" if what in found else "" for what in ("encode", "decode", "importance")]
        rows.append([name, *(f"{seconds[key]:.3f}" for key in ("median", "min", "max")), *rates])
    steps, size = result["epoch_steps"], result["batch_size"]
    note = f"({steps} steps of {size}; ours {OURS})"
    return [*columns(rows), note]


def kernel_lines(result: Mapping[str, Any]) -> list[str]:
    """The roofs, then a row for every product and every kernel."""
    roofs, kernels = result["roofs"], result["kernels"]
    lines = [
        *(bandwidth_line(place, roofs[place]) for place in ("memory", "cache")),
        f"sgemm peak      {roofs['peak'] / 1e9:.0f} Gflop/s",
        "roof            the lower of the peak and of intensity times the higher bandwidth: the cache's, for what "
        f"moves less than {roofs['cache_bytes'] / 2**20:.0f} MiB",
        "",
    ]
    lines = [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent=16 * " ") or [""]]
    lines += product_table(result["products"])
    if kernels:
        lines += ["", *kernel_table(kernels)]
    return [*lines, *(["", "(cupy is left out: the roofs are those of the processor)"] if "gpu" in result else [])]


def bandwidth_line(place: str, measured: Mapping[str, float]) -> str:
    """What was measured in an array that only the memory holds, or also the cache."""
    copy, add = (f"{measured[what] / 1e9:.1f} GB/s" for what in ("copy", "add"))
    return f"{place:<16}{copy} by a copy, {add} by b += a, in arrays of {measured['array_bytes'] / 2**20:.1f} MiB"


def product_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """NumPy's matrix products."""
    table = [["NumPy's products", "MB", "Mflop", "us", "Gflop/s", "of roof"]]
    return columns(table + [[*work(row), *rate(row), percent(row)] for row in rows], 38, 10)


def rate(row: Mapping[str, Any]) -> list[str]:
    """The time of a row in microseconds, and its flops per second."""
    return [f"{row['seconds'] * 1e6:.1f}", f"{row['flops_per_second'] / 1e9:.1f}"]


def percent(row: Mapping[str, Any]) -> str:
    """The fraction of the roof."""
    fraction = row["fraction_of_roof"]
    return f"{fraction:.{0 if fraction >= 0.1 else 1}%}"


def work(row: Mapping[str, Any]) -> list[str]:
    """The name of a row, what it moves and what it does."""
    return [row["kernel"], f"{row['bytes'] / 1e6:.3f}", f"{row['flops'] / 1e6:.3f}"]


def kernel_table(kernels: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Every kernel, with its time and its fraction of the roof on each backend; * belongs to a training step."""
    headings = [cell for name in kernels for cell in (f"{name} us", "of roof")]
    table = [["kernel (* in a training step)", "MB", "Mflop", *headings]]
    for rows in zip(*kernels.values(), strict=True):
        name, *others = work(rows[0])
        times = [cell for row in rows for cell in (f"{row['seconds'] * 1e6:.1f}", percent(row))]
        table.append([f"{'*' if rows[0]['in_step'] else ' '} {name}", *others, *times])
    return columns(table, 40, 11)
