"""CUDA sources as shared libraries for the CPU: the host compiler, host.h, and a launcher for each kernel."""

import atexit
import ctypes
import functools
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HEADER = Path(__file__).with_name("host.h")
KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(")
# No fused multiply-add, so that the figures are the same everywhere; static variables of one library stay its own.
FLAGS = ("-x", "c++", "-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-ffp-contract=off", "-U_FORTIFY_SOURCE")
ONLY_GCC = ("-fno-gnu-unique",)


def compiler():
    """The path of a C++ compiler, or None."""
    return None if sys.platform == "win32" else shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")


def why_not():
    """What is missing on this machine, or None."""
    return None if compiler() else "there is no C++ compiler to build the CUDA sources for the CPU with"


@functools.cache
def folder():
    """Where the libraries of this process lie until it ends."""
    path = tempfile.mkdtemp(prefix="cuda-on-host-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return Path(path)


@functools.cache
def library(code, options):
    """A CUDA source, compiled with the -D and -I among NVRTC's options and loaded; RuntimeError if it does not compile.

    Its functions are ``launch_NAME(grid, block, reverse, arguments, message)``, which is not 0 if the kernel did what
    no kernel may, and ``signature_NAME(text)``, see host.h. Python's lock is held: the state of a launch is global.
    """
    launchers = "\n".join(f"LAUNCHER({name})" for name in kernels_in(code))
    source = f'#include "{HEADER}"\n#line 1 "kernel.cu"\n{code}\n{launchers}\n'
    used = [option for option in options if option.startswith(("-D", "-I"))]
    name = hashlib.sha256("\0".join((source, *used)).encode()).hexdigest()[:20]
    path = folder() / f"{name}.so"
    path.with_suffix(".cpp").write_text(source, encoding="utf-8")
    flags = FLAGS + (ONLY_GCC if "g++" in Path(compiler()).name and "clang" not in compiler() else ())
    command = [compiler(), *flags, *used, str(path.with_suffix(".cpp")), "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"the CUDA source does not compile for the CPU:\n{done.stderr}")
    return ctypes.PyDLL(str(path))


def kernels_in(code):
    """The names of the kernels in a source."""
    return KERNEL.findall(code)


def parameters(loaded, name):
    """What a kernel takes, one string each: "i4", "f8", "*f4" (a pointer), "*const f4"."""
    text = ctypes.create_string_buffer(4096)
    getattr(loaded, f"signature_{name}")(text)
    return text.value.decode().split(",")[:-1]
