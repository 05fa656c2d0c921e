"""Malformed files of every format that minivae reads, as Hypothesis strategies.

``damaged`` spoils a valid file as disks and careless hands do; the others write files that lie in the ways of their
format: headers that promise the moon, archives whose sizes contradict each other, code where numbers should be.
"""

import copy
import io
import json
import math
import pickle
import re
import struct
import warnings
import zipfile

import numpy as np
from hypothesis import strategies as st
from safetensors import numpy as safetensors

from minivae.system.tensorfile import KEY, checksum

# What would set the mark, if it were evaluated or unpickled.
CODE = "exec('import sys; sys.code_was_run = True')"


class Trap:
    """Unpickling this sets the mark."""

    def __reduce__(self):
        return eval, (CODE,)


# -- damage that any file can suffer -----------------------------------------------------------------------

INTERESTING = [0, 1, 2, 255, 2**15, 2**16 - 1, 2**24, 2**28, 2**31 - 1, 2**31, 2**32 - 1, 2**60, 2**63 - 1, 2**64 - 1]
NUMBERS = st.sampled_from(INTERESTING) | st.integers(0, 2**64 - 1)
RARE_NUMBERS = st.one_of(*[st.none()] * 4, NUMBERS)
NOISE = st.binary(min_size=1, max_size=12)


def place_in(draw, content):
    """An offset, as often as not near one of the ends, where the headers are."""
    size = len(content)
    return draw(st.integers(0, size) | st.integers(0, min(size, 150)) | st.integers(max(0, size - 150), size))


def flip(draw, content, _):
    place = place_in(draw, content)
    return content[:place] + bytes([draw(st.integers(0, 255))]) + content[place + 1 :]


def truncate(draw, content, _):
    return content[: place_in(draw, content)]


def insert(draw, content, _):
    place = place_in(draw, content)
    return content[:place] + draw(NOISE) * draw(st.sampled_from([1, 1, 1, 2000])) + content[place:]


def overwrite(draw, content, _, place=None):
    place = place_in(draw, content) if place is None else place
    layout = draw(st.sampled_from(["<H", "<I", "<Q", ">I", ">Q"]))
    size = struct.calcsize(layout)
    return content[:place] + struct.pack(layout, draw(NUMBERS) % 256**size) + content[place + size :]


def move(draw, content, _):
    """A stretch is removed, doubled, or put somewhere else."""
    start, end = sorted((place_in(draw, content), place_in(draw, content)))
    rest = draw(st.sampled_from([content, content[:start] + content[end:]]))
    place = place_in(draw, rest)
    return rest[:place] + content[start:end] * draw(st.integers(0, 2)) + rest[place:]


def splice(draw, content, valid):
    other = draw(st.sampled_from(valid))
    return content[: place_in(draw, content)] + other[place_in(draw, other) :]


@st.composite
def damaged(draw, valid, repair):
    """A valid file, damaged one to three times; ``repair`` may make its checksum fit again."""
    content = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(1, 3))):
        content = draw(st.sampled_from([flip, truncate, insert, overwrite, move, splice]))(draw, content, valid)
    return repair(content) if draw(st.booleans()) else content


# -- .npy and .npz -----------------------------------------------------------------------------------------

LARGEST = 4096  # bytes of values
TYPES = {  # as they are written in a header, and how long a value is
    "'<f8'": 8, "'<f4'": 4, "'>f8'": 8, "'<f2'": 2, "'|u1'": 1, "'<u8'": 8, "'>i2'": 2, "'|b1'": 1, "'<U3'": 12,
    "'|O'": 100, "'<c16'": 16, "'<f16'": 16, "'|S3'": 3, "'|V0'": 0, "'<U0'": 0, "'<M8[s]'": 8, "'<U999999999'": 4,
    "('<f4', (9999999,))": 4, "[('a', '<f4'), ('b', '|O')]": 100, "[]": 0, "'nonsense'": 1, "None": 1, "3": 1, CODE: 1,
    "[('" + "a" * 3000 + "', '<f4')]": 4, "'\\x1b[2J'": 1,
}  # fmt: skip
SHORT = st.integers(1, 4)
LENGTHS = SHORT | st.sampled_from([*INTERESTING, -1, -(2**60), True])
SHAPES = st.tuples(SHORT, SHORT) | st.tuples(SHORT, SHORT, SHORT) | st.tuples(SHORT)
SHAPES |= st.tuples(LENGTHS, LENGTHS) | st.lists(LENGTHS, max_size=70).map(tuple)
ODD_SHAPES = st.sampled_from(["(2**60, 1)", "(1.5, 2)", "(2L, 2L)", "'ab'", "[2, 2]", "(" * 400, "{}", "0x", CODE])
PICKLE = pickle.dumps([Trap()])
SIGNALLING = [struct.pack("<Q", 0x7FF0000000000001), b"\x01\x7d"]  # NaNs of 64 and 16 bits that warn when they are used
DOUBLES = [struct.pack("<d", value) for value in (0, 1.5, np.nan, -np.inf, 1e300)]
VALUES = [*DOUBLES, *SIGNALLING, struct.pack("<q", 2**63 - 1), b"\1", b"a\0\0\0"]  # repeated until the array is full


@st.composite
def npy_files(draw):
    """An array with a header of its own, and values that are as many as it promises, or not."""
    descr, shape = draw(st.sampled_from(list(TYPES)[:8]) | st.sampled_from(list(TYPES))), draw(SHAPES)
    order = draw(st.sampled_from(["False", "True", "False", "1", CODE]))
    written = draw(ODD_SHAPES) if draw(st.integers(0, 4)) == 0 else shape
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {written}}}"
    header = (text + draw(st.sampled_from(["\n", "\n", "", " " * 20000 + "\n"]))).encode()
    version, length = draw(st.sampled_from([(1, 0), (1, 0), (2, 0), (3, 0), (0, 1)])), draw(RARE_NUMBERS)
    width = 2 if version == (1, 0) else 4
    length = (len(header) if length is None else length) % 256**width
    size = min(abs(math.prod(shape)) * TYPES[descr], LARGEST) + draw(st.sampled_from([0, 0, 0, 0, -1, 1, 8, -8]))
    body = (PICKLE if "O" in descr else draw(st.sampled_from(VALUES))) * LARGEST
    return b"\x93NUMPY" + bytes(version) + length.to_bytes(width, "little") + header + body[: max(0, size)]


NAMES = ["x", "x", "y", "X", "data", "labels", "x_train", "x_test", "y_train", "y_test", "a" * 2000, "\x1b[2J"]


@st.composite
def npz_files(draw, arrays):
    """An archive of some arrays, of which none to three fields lie: sizes, flags, methods, offsets, lengths."""
    buffer, names = io.BytesIO(), draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=draw(st.booleans())))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(buffer, "w") as file:  # of two entries of one name
        for name in names:
            content, method = draw(arrays), draw(st.sampled_from([0, 8, 8, 12, 14]))
            with file.open(entry(name, method), "w", force_zip64=draw(st.booleans())) as target:
                target.write(content)
    content = buffer.getvalue()
    for _ in range(draw(st.integers(0, 3))):
        record = draw(st.sampled_from([match.start() for match in re.finditer(b"PK", content)]))
        content = overwrite(draw, content, None, record + draw(st.integers(4, 50)))
    return content


def entry(name, method):
    """The description of an array for zipfile."""
    info = zipfile.ZipInfo(name + ".npy")
    info.compress_type = method
    return info


@st.composite
def npz_moons(draw):
    """An archive whose array and directory agree on a size that is nowhere in the file."""
    size, many = draw(st.sampled_from([2**24, 2**31])), draw(st.sampled_from([0, 100, 2**31]))
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size}, 1)}}\n".encode()
    array = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(entry("x", draw(st.sampled_from([0, 8]))), array + bytes(draw(st.integers(0, 100))))
    content = bytearray(buffer.getvalue())
    struct.pack_into("<LL", content, content.index(b"PK\1\2") + 20, many, len(array) + size)
    return bytes(content)


# -- .csv, history.csv, IDX --------------------------------------------------------------------------------

ODD_NUMBERS = ["1.5", "-2e3", "nan", "inf", "1e400", "1_000", "0x1", "1,5", "-0", "١٢", "0" * 5000 + "1", str(2**63)]
ODD_TEXTS = [
    "",
    " ",
    "a",
    "species",
    '"1"',
    '"a\nb"',
    '"',
    "\0",
    "\r",
    "=1+1",
    "\x1b[2J",
    "²",
    "é" * 40,
    "9" * 5000,
    CODE,
]
CELLS = st.integers(-3, 300).map(str) | st.sampled_from(ODD_NUMBERS) | st.sampled_from([*ODD_TEXTS, "x" * 140_000])


@st.composite
def csv_files(draw, *headers):
    """Text in rows, mostly of one width, in some encoding; below one of the ``headers``, or none."""
    header, width = list(draw(st.sampled_from([(), *headers]))), draw(st.integers(1, 5))
    plain = st.lists(st.integers(-3, 300).map(str), min_size=len(header) or width, max_size=len(header) or width)
    odd = st.lists(CELLS, min_size=1, max_size=max(width, len(header)))
    rows = [header] * bool(header) + draw(st.lists(plain, max_size=6))
    for row in draw(st.lists(odd, max_size=2)):
        rows.insert(draw(st.integers(0, len(rows))), row)
    for row in rows:
        if row and draw(st.integers(0, 3)) == 0:
            row[draw(st.integers(0, len(row) - 1))] = draw(CELLS)
    separator, end = draw(st.sampled_from([",", ",", ",", ";", "\t", "|"])), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin1"]))
    return end.join(separator.join(row) for row in rows).encode(encoding, "replace")


@st.composite
def idx_files(draw):
    """A header with dimensions of its own, and about as many bytes as it promises; perhaps compressed."""
    sizes = st.integers(0, 5) | st.sampled_from([2**16, 2**31, 2**32 - 1])
    shape = draw(st.lists(sizes, min_size=1, max_size=3))
    magic = bytes([0, 0, draw(st.sampled_from([8, 8, 8, 9, 13])), draw(st.sampled_from([len(shape), 1, 3, 255]))])
    size = max(0, min(math.prod(shape), 4096) + draw(st.sampled_from([0, 0, 0, -1, 1])))
    return magic + b"".join(length.to_bytes(4, "big") for length in shape) + bytes(size)


# -- JSON: config.json, and the headers of safetensors -----------------------------------------------------

PLAIN_VALUES = [None, True, 0, -1, 1, 3, 2**31, 2**60, 2**64, 10**400, 0.5, math.nan, math.inf]
PLAIN_VALUES += ["", "nan", "a\nb", "\x1b[2J", "x" * 5000, "adam", "float64", "F32", "F8_E4M3", "BF16", CODE]
NESTED_VALUES = [[], {}, [[]], [0], [1, "a"], [None, None], [math.nan, 2], [3] * 4000, [0, 2**60], {"a\nb": 1}]
ODD = st.sampled_from(PLAIN_VALUES) | st.sampled_from(NESTED_VALUES).map(copy.deepcopy)


@st.composite
def edited(draw, document):
    """A JSON document in which one to three values are others, gone, or new."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        edit(draw, document)
    return document


def edit(draw, place):
    """Change something in a list or dict, at any depth."""
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    if not keys:
        return
    key = draw(st.sampled_from(keys))
    if isinstance(place[key], dict | list) and draw(st.integers(0, 3)):
        edit(draw, place[key])
    elif draw(st.integers(0, 3)):
        place[key] = draw(ODD)
    elif draw(st.booleans()):
        del place[key]
    elif isinstance(place, dict):
        place[draw(st.sampled_from(["beta", "seed", "new", "a\nb", "\x1b[2J", KEY, "dtype"]))] = draw(ODD)


def config_files(valid):
    """config.json with other values."""
    document = json.loads(valid[0])
    nested = st.sampled_from([b"[" * 100_000, b'{"run":' * 50_000, b"[]", b"3", b"", b"9" * 5000, b'{"run": 1}'])
    return edited(document).map(lambda found: json.dumps(found).encode()) | nested


def halves(content):
    """The header of a safetensors file, and what follows it."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


@st.composite
def raw_tensor_files(draw, valid):
    """A header that lies: about offsets, shapes, types, names, or its own length."""
    header, body = halves(draw(st.sampled_from(valid)))
    texts = st.none() | st.sampled_from(
        ["[" * 50_000, "[]", "3", "{", "", '{"sha256": 5}', '{"format": "minivae-model-1"}']
    )
    words = draw(texts)
    header = draw(edited(header)) if words is None else header | {"__metadata__": {KEY: words}}
    text = json.dumps(header).encode()
    length = draw(RARE_NUMBERS)
    length = len(text) if length is None else length
    return length.to_bytes(8, "little") + text + draw(st.sampled_from([body, body, body[:-4], body + bytes(4)]))


@st.composite
def signed_tensor_files(draw, valid):
    """Tensors and metadata that do not fit each other, or make no sense, with a checksum that is right."""
    tensors, metadata = content_of(draw(st.sampled_from(valid)))
    if draw(st.integers(0, 2)) == 0:
        metadata = draw(edited(metadata))
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(tensors)))
        tensors[name] = np.asarray(draw(st.sampled_from(TENSOR_EDITS))(tensors[name]))
    for name in draw(
        st.lists(st.sampled_from(sorted(tensors)), max_size=draw(st.sampled_from([0, 0, 2])), unique=True)
    ):
        tensor, renamed = tensors.pop(name), draw(st.sampled_from([None, "a\nb", "x" * 5000, "optimizer.m"]))
        tensors |= {} if renamed is None else {renamed: tensor}
    if draw(st.integers(0, 9)) == 0:
        grow(tensors, metadata, draw(st.sampled_from([50, 900])))
    return signed(tensors, metadata)


TENSOR_EDITS = [
    lambda tensor: tensor.reshape(-1),
    lambda tensor: tensor[:-1].copy() if tensor.ndim else tensor,
    lambda tensor: tensor.astype("float64"),
    lambda tensor: np.ones(tensor.shape, "int8"),
    *[lambda tensor, value=value: np.full(tensor.shape, value, "float32") for value in (np.nan, -np.inf, 3e38)],
    lambda tensor: -tensor,
    lambda tensor: np.zeros((0, 3), "float32"),
    lambda tensor: np.zeros((), "float32"),
]


def grow(tensors, metadata, width):
    """Widths that the vectors agree with, but whose matrices are not in the file: quadratic, where they are made."""
    if isinstance(metadata.get("config"), dict):
        metadata["config"].update(input_dim=width, latent_dim=width, hidden_dims=[width])
    biases = ("decoder.output.b", "encoder.mu.b", "encoder.logvar.b", "encoder.hidden.0.b", "decoder.hidden.0.b")
    tensors.update({name: np.zeros(width, "float32") for name in biases})


def signed(tensors, metadata):
    """The file that minivae would write, whatever it holds."""
    metadata = metadata | {"sha256": checksum(tensors, metadata)}
    return safetensors.save(tensors, {KEY: json.dumps(metadata)})


def content_of(content):
    """The tensors and the metadata of a weights file, without its checksum."""
    metadata = json.loads(halves(content)[0]["__metadata__"][KEY])
    metadata.pop("sha256", None)
    return safetensors.load(content), metadata


def signed_again(content):
    """A weights file with the checksum of what it holds, so that damage gets past it; others as they are."""
    try:
        return signed(*content_of(content))
    except Exception:
        return content
