"""The user's own files: what is read from .npy, .npz and .csv, exactly, and how anything else is refused.

tests/fuzz.py has malformed files by the thousand, and test_fuzz.py gives some of them to every reader.
"""

import csv
import io
import os
import pickle
import shlex
import struct
import tracemalloc
import zipfile
import zlib
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minivae import DataError
from minivae.datasets import arrayfiles, csvfiles, tables

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(action, *fragments, memory=None):
    """``action`` raises a DataError of one line that holds all fragments; bytes asked for stay below ``memory``."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            action()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message, error = str(caught.value), caught.value
    for fragment in fragments:
        assert fragment in message
    assert "\n" not in message
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    assert memory is None or peak < memory
    return message


def matrix(n=20, width=3, dtype="float64"):
    return np.arange(n * width).reshape(n, width).astype(dtype)


def denied(*_arguments, **_options):
    raise PermissionError(13, "Permission denied")


# -- what all formats have in common -----------------------------------------------------------------------

ENDINGS = pytest.mark.parametrize("ending", [".npy", ".npz", ".csv"])


@ENDINGS
def test_what_is_no_file_is_refused_with_its_name(ending, tmp_path, monkeypatch):
    for name in ("missing", "a\0b", "x" * 5000, "\ud800"):
        refused(lambda name=name: tables.read(name + ending), f"cannot read {name + ending!r}")
    (tmp_path / f"empty{ending}").touch()
    refused(lambda: tables.read(tmp_path / f"empty{ending}"), f"empty{ending}", "is empty (0 bytes)")
    (tmp_path / f"folder{ending}").mkdir()
    refused(lambda: tables.read(tmp_path / f"folder{ending}"), "is a folder", ".npy, .npz, .csv, .tsv or .txt")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / f"pipe{ending}")  # nobody writes into it: reading would wait for ever
        refused(lambda: tables.read(tmp_path / f"pipe{ending}"), "is not a regular file")
    for module in (arrayfiles, csvfiles):
        monkeypatch.setattr(module, "open", denied, raising=False)
    (tmp_path / f"mine{ending}").write_text("1,2", encoding="utf-8")
    refused(lambda: tables.read(tmp_path / f"mine{ending}"), "cannot read", f"mine{ending}': Permission denied")


def test_the_ending_says_what_is_read_unless_it_is_given(tmp_path):
    for name in ("LOUD.CSV", "x.xlsx"):
        (tmp_path / name).write_text("1,2", encoding="utf-8")
    assert tables.read(tmp_path / "LOUD.CSV").x.tolist() == [[1, 2]]
    refused(lambda: tables.read(tmp_path / "x.xlsx"), "ending .npy, .npz, .csv, .tsv or .txt, got the ending '.xlsx'")
    assert tables.read(tmp_path / "x.xlsx", ending=".csv").x.tolist() == [[1, 2]]


def test_arguments_of_another_type_are_a_type_error(tmp_path):
    for labels in (1.0, b"y", ["y"], ("a", "b")):
        with pytest.raises(TypeError, match="the name or the number of a column"):
            tables.read(tmp_path / "x.csv", labels)
    with pytest.raises(TypeError, match="a string or a path"):
        tables.read(3)


@ENDINGS
def test_one_example_is_enough(ending, tmp_path):
    path = tmp_path / f"one{ending}"
    {".npy": np.save, ".npz": np.savez, ".csv": partial(np.savetxt, delimiter=",")}[ending](path, matrix(1))
    assert tables.read(path).x.tolist() == [[0, 1, 2]]


# -- .npy and .npz: one array ------------------------------------------------------------------------------


def npy(descr="'<f8'", shape="(2, 3)", version=(1, 0), length=None, body=b""):
    """The bytes of a .npy file with a header of one's own."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode("latin1")
    width = 2 if version == (1, 0) else 4
    length = len(header) if length is None else length
    return b"\x93NUMPY" + bytes(version) + length.to_bytes(width, "little") + header + body


def bytes_of(array):
    """The bytes that np.save writes."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def archive(folder, files, method=zipfile.ZIP_DEFLATED, **changed):
    """A zip file with ``files`` (name: bytes); ``changed`` fields of the last entry in the central directory."""
    path = folder / "made.npz"
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in files.items():
            file.writestr(f"{name}.npy", content)
    content = bytearray(path.read_bytes())
    places = {"flags": ("<H", 8), "crc": ("<I", 16), "csize": ("<I", 20), "usize": ("<I", 24)}
    for field, value in changed.items():
        layout, place = places[field]
        struct.pack_into(layout, content, content.rindex(b"PK\x01\x02") + place, value)
    path.write_bytes(content)
    return path


@pytest.fixture(params=["npy", "npz", "npz, stored"])
def alone(request, tmp_path):
    """A function that writes the bytes of a .npy file, as they are or as the only array of an archive."""

    def write(content):
        if request.param == "npy":
            (tmp_path / "x.npy").write_bytes(content)
            return tmp_path / "x.npy"
        return archive(tmp_path, {"x": content}, zipfile.ZIP_STORED if "stored" in request.param else 8)

    return write


@pytest.mark.parametrize(("largest", "dtype"), [(2**24, "float32"), (2**24 + 1, "float64"), (-(2**53), "float64")])
def test_whole_numbers_keep_their_values(largest, dtype, alone):
    x = np.array([[largest, 1], [0, 2]])
    table = tables.read(alone(bytes_of(x)))
    assert table.x.dtype == dtype
    assert table.x.tolist() == x.tolist()


def test_whole_numbers_that_float64_rounds_are_refused(alone):
    path = alone(bytes_of(np.array([[2**53 + 1, 1], [0, 2]])))
    with pytest.raises(DataError, match="holds 9007199254740993: whole numbers beyond 2\\^53 would be rounded"):
        tables.read(path)


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("stored", ["float64", "float32", "float16", ">f8", ">f4", "uint8", "int64", ">i2", "bool"])
def test_the_precision_of_floats_is_kept_and_everything_else_becomes_float32(stored, layout, alone):
    x = np.asarray(matrix(dtype=stored), order=layout)
    table = tables.read(alone(bytes_of(x)))
    assert table.x.dtype == np.dtype("float64" if stored in ("float64", ">f8") else "float32")
    assert table.x.dtype.isnative
    assert table.x.flags.c_contiguous
    np.testing.assert_array_equal(table.x, x)
    assert (table.labels, table.label_names, table.columns) == (None, (), ())
    assert (table.image_shape, table.train_rows) == (None, None)


def test_images_are_flattened_row_by_row_and_their_shape_is_remembered(alone):
    images = np.arange(4 * 2 * 3, dtype="float32").reshape(4, 2, 3)
    table = tables.read(alone(bytes_of(images)))
    assert table.image_shape == (2, 3)
    np.testing.assert_array_equal(table.x[3].reshape(2, 3), images[3])


def test_both_versions_of_the_format_are_read(tmp_path):
    for version in ((1, 0), (2, 0)):
        with open(tmp_path / "x.npy", "wb") as file:
            np.lib.format.write_array(file, matrix(), version)
        np.testing.assert_array_equal(tables.read(tmp_path / "x.npy").x, matrix())


def test_a_npy_file_is_mapped_and_not_copied(saved):
    path = saved(np.zeros((4096, 256)))
    tracemalloc.start()
    tables.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("labels", ["y", 0, "0"])
def test_labels_of_an_npy_file_are_an_error_because_it_holds_none(labels, saved):
    path = saved(matrix())
    refused(lambda: tables.read(path, labels), repr(str(path)), "holds no labels", f"labels={labels!r}", "np.savez")


@pytest.mark.parametrize(
    ("array", "fragment"),
    [
        (np.zeros(5), "must have the shape (examples, features) or (examples, h, w), got (5,)"),
        (np.array(1.0), "(examples, h, w), got ()"),
        (np.zeros((2, 5, 6, 7)), "(examples, h, w), got (2, 5, 6, 7)"),
        (np.zeros((0, 3)), "has 0 examples"),
        (np.zeros((3, 0)), "has 0 features"),
        (np.zeros((3, 4, 0)), "has 0 features"),
        (matrix(dtype="complex64"), "must hold real numbers of at most 64 bits, got dtype complex64"),
        (matrix(dtype="clongdouble"), "must hold real numbers of at most 64 bits, got dtype complex"),
        (matrix(dtype=str), "must hold real numbers of at most 64 bits, got dtype <U"),
        (matrix(dtype="datetime64[s]"), "must hold real numbers of at most 64 bits, got dtype datetime64[s]"),
        (np.zeros((4, 2), [("a", "f4"), ("b", "f4")]), "must hold real numbers of at most 64 bits, got dtype [("),
        (np.zeros((4, 2), [("a", object)]), "holds Python objects, which are never unpickled"),
    ],
)
def test_an_array_that_no_vae_is_shown_is_refused(array, fragment, alone, tmp_path):
    path = alone(bytes_of(array))
    refused(lambda: tables.read(path), repr(str(path)), fragment)


@pytest.mark.skipif(np.dtype("longdouble").itemsize == 8, reason="long double is double on this system")
def test_long_doubles_are_refused(saved):
    path = saved(matrix(dtype="longdouble"))
    refused(lambda: tables.read(path), "must hold real numbers of at most 64 bits, got dtype float")


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_a_value_that_is_not_finite_is_refused_with_its_place(value, word, dtype, alone):
    x = matrix(dtype=dtype)
    x[7, 2] = value
    path = alone(bytes_of(x))
    refused(lambda: tables.read(path), repr(str(path)), f"contains {word}, first at row 7, column 2")


VALID = bytes_of(matrix())
LIES = {
    "a pickle": (pickle.dumps([1, 2]), "is not a .npy file, whatever its ending (pickles are not read)"),
    "a cut header": (VALID[:60], "header cannot be read"),
    "no values": (VALID[:128], "is truncated: its header promises 608 bytes, but the file has 128"),
    "a value less": (VALID[:-1], "is truncated: its header promises 608 bytes, but the file has 607"),
    "a surplus byte": (VALID + b"x", "is damaged: its header promises 608 bytes, but the file has 609"),
    "2^63 bytes": (npy(shape=f"({2**60}, 1)", body=bytes(48)), "is truncated"),
    "2^80 bytes": (npy(shape=f"({2**40}, {2**40})", body=bytes(48)), "is truncated"),
    "a header of 4 GiB": (npy(version=(2, 0), length=2**32 - 1, body=bytes(48)), "header cannot be read"),
    "negative lengths": (npy(shape="(-2, -3)", body=bytes(48)), "gives the shape (-2, -3)"),
    "no shape": (npy(shape="'ab'"), "header cannot be read"),
    "a sum": (npy(shape="(2**60, 1)"), "header cannot be read"),
    "too many brackets": (npy(shape="(" * 500), "header cannot be read"),
    "no type": (npy("[[]]"), "header cannot be read"),
    "another version": (npy(version=(3, 0), body=bytes(48)), "header cannot be read"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_array_that_is_not_what_its_header_says_is_refused_before_memory_is_asked_for(lie, alone):
    content, fragment = LIES[lie]
    path = alone(content)
    refused(lambda: tables.read(path), repr(str(path)), fragment, memory=2**20)


class Trap:
    """Unpickling this makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_is_ever_unpickled(alone, tmp_path):
    trap = Trap(str(tmp_path / "it ran"))
    refused(lambda: tables.read(alone(pickle.dumps(trap))), "pickles are not read")
    path = alone(bytes_of(np.array([[trap]], dtype=object)))
    refused(lambda: tables.read(path), "never unpickled")
    np.savez(tmp_path / "labels.npz", x=matrix(1), y=np.array([trap], dtype=object))
    refused(lambda: tables.read(tmp_path / "labels.npz", "y"), "'y' in", "whole number or text")
    assert not (tmp_path / "it ran").exists()


# -- .npz: which array is what -----------------------------------------------------------------------------


@pytest.fixture
def zipped(tmp_path):
    """A function that saves arrays in one .npz file and returns the path."""

    def save(*arrays, compressed=False, **named):
        (np.savez_compressed if compressed else np.savez)(tmp_path / "mine.npz", *arrays, **named)
        return tmp_path / "mine.npz"

    return save


@pytest.mark.parametrize("name", ["x", "X", "data"])
def test_the_examples_are_found_by_their_name_whatever_else_there_is(name, zipped):
    others = {"a": matrix(4), "mean": matrix(2, 2), "objects": np.array([None]), "train": matrix(1), "test": matrix(2)}
    path = zipped(**others, **{name: matrix(5)})
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("README.txt", "five rows")
    table = tables.read(path)
    np.testing.assert_array_equal(table.x, matrix(5))
    assert table.train_rows is None


@pytest.mark.parametrize("shape", [(4, 6), (4, 2, 3)])
def test_the_only_array_of_two_or_three_dimensions_is_the_examples_whatever_its_name(shape, zipped):
    x = np.arange(24.0).reshape(shape)
    table = tables.read(zipped(x, step=np.array(3), history=np.zeros(9)))
    np.testing.assert_array_equal(table.x, x.reshape(4, 6))
    assert table.image_shape == (None if len(shape) == 2 else shape[1:])


@pytest.mark.parametrize("name", ["y", "labels"])
@pytest.mark.parametrize("dtype", ["int64", "uint8", ">i4", "float32", "bool"])
def test_labels_called_y_or_labels_are_found_and_become_int64(name, dtype, zipped):
    y = (np.arange(20) % 2).astype(dtype)
    table = tables.read(zipped(x=matrix(), **{name: y}))
    assert table.labels.dtype == np.int64
    assert table.labels.tolist() == [0, 1] * 10
    assert table.label_names == ()


def test_labels_may_have_any_name_if_it_is_given(zipped):
    path = zipped(matrix(3), kinds=np.array([5, 2**62 + 1, -1]), y=np.array([0, 0, 0]))
    assert tables.read(path, "kinds").labels.tolist() == [5, 2**62 + 1, -1]
    assert tables.read(zipped(matrix(3), np.array([7, 8, 9])), "arr_1").labels.tolist() == [7, 8, 9]


def test_labels_that_are_texts_are_numbered_in_sorted_order(zipped):
    table = tables.read(zipped(x=matrix(4), y=np.array(["virginica", "setosa", "größe", "setosa"])))
    assert table.labels.tolist() == [2, 1, 0, 1]
    assert table.labels.dtype == np.int64
    assert table.label_names == ("größe", "setosa", "virginica")


NO_LABELS = [np.zeros(19, int), np.zeros((20, 2), int), np.full(20, 0.5), np.full(20, np.nan), np.full(20, 1e300)]
NO_LABELS += [np.full(20, 2**64 - 1, np.uint64), np.zeros(20, complex), np.full(20, b"a"), np.full(20, None)]
NO_LABELS += [np.zeros(20, "datetime64[s]")]


@pytest.mark.parametrize("y", NO_LABELS, ids=lambda y: f"{y.dtype}{y.shape}")
def test_an_array_called_y_that_is_no_labels_is_passed_over_but_refused_if_it_is_named(y, zipped):
    path = zipped(x=matrix(), y=y)
    assert tables.read(path).labels is None
    refused(lambda: tables.read(path, "y"), f"'y' in {str(path)!r}", "one whole number or text for each of 20 examples")


@pytest.mark.parametrize("x", [("x_train", "x_test"), ("train", "test")])
@pytest.mark.parametrize("y", [("y_train", "y_test"), ("train_labels", "test_labels")])
def test_the_two_parts_of_a_file_with_its_own_split_are_stacked_the_training_rows_first(x, y, zipped):
    parts = {x[0]: matrix(4), x[1]: -matrix(2), y[0]: np.array([3, 1, 4, 1]), y[1]: np.array([5, 9], np.uint8)}
    table = tables.read(zipped(**parts))
    np.testing.assert_array_equal(table.x, np.concatenate([matrix(4), -matrix(2)]))
    assert table.labels.tolist() == [3, 1, 4, 1, 5, 9]
    assert table.train_rows == 4


def test_the_split_of_images_with_text_labels_has_one_numbering(zipped):
    images = np.zeros((3, 2, 5), np.uint8)
    names = {"kind_train": np.array(["b", "c", "b"]), "kind_test": np.array(["a"])}
    table = tables.read(zipped(x_train=images, x_test=images[:1], **names), "kind")
    assert (table.labels.tolist(), table.label_names) == ([1, 2, 1, 0], ("a", "b", "c"))
    assert (table.image_shape, table.x.dtype, table.x.shape) == ((2, 5), np.float32, (4, 10))


def test_labels_of_one_part_alone_or_of_two_kinds_are_passed_over(zipped):
    x = {"x_train": matrix(2), "x_test": matrix(1)}
    assert tables.read(zipped(**x, y_train=np.array([1, 2]))).labels is None
    assert tables.read(zipped(**x, y_train=np.array([1, 2]), y_test=np.array(["a"]))).labels is None
    assert tables.read(zipped(**x, y_train=np.array([1, 2]), y_test=np.array([1, 2]))).labels is None


@pytest.mark.parametrize("arrays", [{}, {"a": matrix(), "b": matrix()}, {"a": np.zeros(3)}, {"x_train": np.zeros(3)}])
def test_an_archive_without_examples_is_refused_with_the_names_in_it(arrays, zipped):
    path = zipped(**arrays)
    refused(lambda: tables.read(path), repr(str(path)), ", ".join(map(repr, arrays)) or "no arrays", "x_train")


def test_parts_that_do_not_fit_are_refused(zipped):
    path = zipped(train=matrix(4, 3), test=matrix(4, 2))
    refused(lambda: tables.read(path), "'train' and 'test' in '", "examples of one shape, got (3,) and (2,)")
    path = zipped(train=matrix(4, 3), test=matrix(0, 3))
    refused(lambda: tables.read(path), "'test' in", "has 0 examples")
    path = zipped(train=matrix(3), test=np.where(np.eye(9, 3, -7), np.nan, 1))
    refused(lambda: tables.read(path), "'train' and 'test' in '", "contains NaN, first at row 10, column 0")


@pytest.mark.parametrize("labels", ["kind", 0, "x.npy"])
def test_labels_that_are_not_there_are_refused_with_the_names_that_are(labels, zipped):
    path = zipped(x=matrix(2), y=np.array([1, 2]))
    refused(lambda: tables.read(path, labels), "no labels in", f"expected {str(labels)!r}, got 'x', 'y'")
    path = zipped(x_train=matrix(2), x_test=matrix(2))
    expected = f"expected '{labels}_train' and '{labels}_test' or 'train_{labels}' and 'test_{labels}', got 'x_train'"
    refused(lambda: tables.read(path, labels), "no labels in", expected)


@pytest.mark.parametrize("code", [b"\xff\xff\xff\xff", b"\x00\xd8\x00\x00"])
def test_labels_that_are_no_unicode_are_refused(code, tmp_path):
    path = archive(tmp_path, {"x": npy(body=bytes(48)), "y": npy("'<U1'", "(2,)", body=code * 2)})
    refused(lambda: tables.read(path), repr(str(path)), "is damaged")


# -- .npz: archives that lie -------------------------------------------------------------------------------

METHODS = pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])


def test_an_entry_that_np_savez_does_not_write_is_refused(tmp_path):
    path = archive(tmp_path, {"x": npy(body=bytes(48))}, flags=1)
    refused(lambda: tables.read(path), f"'x' in {str(path)!r} is encrypted")
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = archive(tmp_path, {"x": npy(body=bytes(48))}, method)
        refused(
            lambda path=path: tables.read(path), f"'x' in {str(path)!r} is compressed by another method than deflate"
        )


@METHODS
def test_a_wrong_checksum_is_refused(method, tmp_path):
    path = archive(tmp_path, {"x": npy(shape="(9000, 4)", body=bytes(288000))}, method, crc=1)
    refused(lambda: tables.read(path), repr(str(path)), "is damaged", "CRC")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_cut_archive_is_refused(kept, zipped):
    path = zipped(x=matrix(100), compressed=True)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    refused(lambda: tables.read(path), repr(str(path)), "is damaged, or no file that np.savez wrote")


def test_a_deflated_stream_that_ends_early_is_refused_even_if_its_checksum_fits(tmp_path):
    short = npy(shape="(9000, 4)", body=bytes(200000))
    path = archive(tmp_path, {"x": short}, usize=len(short) + 88000)
    refused(lambda: tables.read(path), "is damaged", "EOF")


@METHODS
def test_an_entry_that_promises_the_moon_is_refused_before_memory_is_asked_for(method, tmp_path):
    moon = npy(shape=f"({2**28}, 1)")
    size = len(moon) + 2**31
    for sizes, fragment in (
        ({}, "is truncated: its header promises"),
        ({"usize": size}, f"is damaged: {size} bytes cannot come from"),
        ({"usize": size, "csize": size}, f"{size} bytes cannot come from {size} in a file"),
    ):
        path = archive(tmp_path, {"x": moon}, method, **sizes)
        refused(lambda path=path: tables.read(path), "'x' in", fragment, memory=2**20)


def test_a_zip_bomb_is_refused_before_memory_is_asked_for(tmp_path):
    bomb = npy(body=bytes(2**25))
    path = archive(tmp_path, {"x": bomb})
    refused(lambda: tables.read(path), "'x' in", f"but the file has {len(bomb)}", memory=2**20)
    path = archive(tmp_path, {"x": bomb}, usize=len(npy(body=bytes(48))))  # as long as its header promises, if not true
    refused(lambda: tables.read(path), repr(str(path)), "CRC", memory=2**20)


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    y, path = npy("'|u1'", f"({2**22}, 1)", body=bytes(2**22)), tmp_path / "shared.npz"
    header = npy("'|u1'", f"({35 + len(y)}, 1)")  # 35 bytes are y's own header in the archive
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        x, length = zipfile.ZipInfo("x.npy"), len(header) + 35
        x.compress_type, x.CRC = zipfile.ZIP_DEFLATED, 0
        # A stored block, of which y's header is the end; x goes on with the compressed bytes of y.
        file.fp.write(x.FileHeader() + struct.pack("<BHH", 0, length, 2**16 - 1 - length) + header)
        start = file.start_dir = file.fp.tell()
        file.writestr("y.npy", y)
        file.fp.seek(start)
        content = header + file.fp.read(35) + y
        x.header_offset, x.file_size, x.CRC = 0, len(content), zlib.crc32(content)
        x.compress_size = 5 + length + file.filelist[0].compress_size
        file.filelist.append(x)
    assert x.file_size + len(y) > arrayfiles.LARGEST_RATIO * path.stat().st_size > max(x.file_size, len(y))
    refused(lambda: tables.read(path), repr(str(path)), "is damaged")


def test_the_most_compressible_array_is_not_taken_for_a_bomb(zipped):
    path = zipped(x=np.zeros((2000, 1000)), compressed=True)
    assert path.stat().st_size < 2000 * 1000 * 8 / 1000
    assert tables.read(path).x.shape == (2000, 1000)


# -- .csv: what is accepted --------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path):
    """A function that writes a text, or bytes, and returns the path."""

    def write(content):
        path = tmp_path / "flowers.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_what_np_savetxt_wrote_is_read_exactly(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 7)) * 10.0 ** np.arange(-3, 4)
    np.savetxt(tmp_path / "x.csv", x, delimiter=",")
    table = tables.read(tmp_path / "x.csv")
    np.testing.assert_array_equal(table.x, x)
    assert table.x.dtype == np.float64
    assert (table.labels, table.label_names, table.columns, table.image_shape) == (None, (), (), None)
    assert (table.train_rows, table.x.flags.writeable, table.x.flags.c_contiguous) == (None, True, True)


@FUZZ
@given(
    x=st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    delimiter=st.sampled_from(",;\t"),
)
def test_what_the_csv_module_wrote_is_read_exactly(x, quoting, delimiter, tmp_path):
    with open(tmp_path / "x.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter, quoting=quoting).writerows(x)
    np.testing.assert_array_equal(tables.read(tmp_path / "x.csv").x, x)


FLOWERS = "length,width,species\n5.1,3.5,setosa\n7.0,3.2,versicolor\n6.3,3.3,setosa\n"


@pytest.mark.parametrize("labels", ["species", 2, -1, "2", "-1"])
def test_the_labels_are_a_column_by_its_name_or_number_and_no_part_of_the_numbers(labels, written):
    table = tables.read(written(FLOWERS), labels)
    assert table.x.tolist() == [[5.1, 3.5], [7.0, 3.2], [6.3, 3.3]]
    assert table.columns == ("length", "width")
    assert table.labels.tolist() == [0, 1, 0]
    assert table.labels.dtype == np.int64
    assert table.label_names == ("setosa", "versicolor")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n"])
def test_separators_line_ends_a_byte_order_mark_and_blank_lines_do_not_matter(separator, end, start, written):
    text = start + FLOWERS.replace(",", separator).replace("\nsetosa", "\n\nsetosa") + "\n  \n"
    table = tables.read(written(text.replace("\n", end)), "species")
    assert table.x.tolist() == [[5.1, 3.5], [7.0, 3.2], [6.3, 3.3]]
    assert table.columns == ("length", "width")


def test_a_quoted_cell_may_hold_separators_quotes_and_line_ends(written):
    table = tables.read(written('"a, the ""first""";b;"the\nkind"\n"1";2;"x;y"\n3;4;"y\r\nz\n"\n'), "the kind")
    assert table.columns == ('a, the "first"', "b")
    assert table.label_names == ("x;y", "y\r\nz")
    assert table.x.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "labels", "columns"),
    [
        ("1,2\n3,4\n", None, ()),
        ("a,b\n3,4\n", None, ("a", "b")),
        ("1,b\n3,4\n", None, ("1", "b")),
        (",0,1\n0,3,4\n", None, ("", "0", "1")),  # as pandas writes it
        ("1_000,2\n3,4\n", None, ("1_000", "2")),
        ("1,2,x\n3,4,y\n", 2, ()),
        ("x,2\ny,4\n", "0", ()),
        ("0,1,kind\n3,4,x\n", "kind", ("0", "1")),
        ("0,1,kind\n3,4,5\n", "kind", ("0", "1")),
        ("a,b,kind\n3,4,x\n", 2, ("a", "b")),
        ("b,1\n3,4\n", "1", ("b",)),
        ("0,1\n3,4\n", "1", ()),
    ],
)
def test_a_header_is_a_text_above_a_number_or_a_row_that_names_the_labels(text, labels, columns, written):
    table = tables.read(written(text), labels)
    assert table.columns == columns
    assert len(table.x) == (1 if columns else 2)


@pytest.mark.parametrize(
    ("cells", "labels", "names"),
    [
        (["3", "1", "3"], [3, 1, 3], ()),
        (["3.0", "1e0", " -3"], [3, 1, -3], ()),
        ([str(2**62 + 1), "-1", "+1"], [2**62 + 1, -1, 1], ()),
        (["1.5", "1", "2"], [1, 0, 2], ("1", "1.5", "2")),
        (["b ", " a", "b"], [1, 0, 1], ("a", "b")),
        (["10", "9", "1_0"], [0, 2, 1], ("10", "1_0", "9")),
        (["1e300", "1", "b"], [1, 0, 2], ("1", "1e300", "b")),
        (["nan", "inf", "b"], [2, 1, 0], ("b", "inf", "nan")),
        ([str(2**64), "1", "1"], [1, 0, 0], ("1", str(2**64))),
    ],
)
def test_labels_that_are_all_whole_numbers_are_kept_and_others_are_numbered(cells, labels, names, written):
    table = tables.read(written("n,kind\n" + "".join(f"7,{cell}\n" for cell in cells)), "kind")
    assert (table.labels.tolist(), table.label_names) == (labels, names)


def test_a_table_costs_little_more_than_its_numbers(tmp_path):
    x = np.random.default_rng(0).integers(0, 1000, (2000, 300)) / 8
    with open(tmp_path / "x.csv", "w", encoding="utf-8") as file:
        np.savetxt(file, x, "%.3f", ",")
    tracemalloc.start()
    table = tables.read(tmp_path / "x.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(table.x, x)
    assert peak < 1.5 * x.nbytes  # as strings: 7 times


def test_the_help_that_the_readme_names_says_what_a_csv_may_hold():
    for words in ("UTF-8", "semicolon", "header", "decimal points", "missing", "one row in ten", "--labels"):
        assert words in tables.read.__doc__, words


# -- .csv: what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("1,2\n\n\n1_000,x\n", ", row 4, column 1: '1_000' is not a number"),
        (
            "a,b c\n1,2\n3,x\n",
            ", row 3, column 2 (b c): 'x' is not a number: encode it as numbers, or leave the column out with --drop "
            "'b c', or if the column holds labels, name it with --labels 'b c'",
        ),
        (
            "1,2\n3,True\n",
            ", row 2, column 2: 'True' is not a number: write 1 and 0, or if the column holds labels, name it with",
        ),
        (
            "1,2\n3,NA\n",
            ", row 2, column 2: 'NA' looks like a missing value: fill it in, remove the row, or leave the column out "
            "with --drop 1",
        ),
        ("NA,2\n3,4\n", ", row 1, column 1: 'NA' looks like a missing value"),  # and is no header
        ("a\nNA\n3\n", ", row 2, column 1 (a): 'NA' looks like a missing value"),
        (
            '1,2\n3,"1,000.5"\n',
            ", row 2, column 2: '1,000.5' has commas between thousands: leave them out (pandas.re",
        ),
        ('"1,000.5",2\n3,4\n', ", row 1, column 1: '1,000.5' has commas between thousands"),  # and is no header
        ("1,000.5;2,000.5\n3;4\n", ", row 1, column 1: '1,000.5' has commas between thousands"),
        ('1,2\n3,"1,2,3"\n', ", row 2, column 2: '1,2,3' is not a number"),
        ("1;2\n3;4,5\n", ", row 2, column 2: '4,5' has a decimal comma: write decimal points"),
        ('c,"a\nb"\n1,2\n3,"x\ny"\n', ", row 3, column 2 (a b): 'x\\ny'"),
        ("1,2\n3," + "x" * 1000, ", row 2, column 2: 'xxxxxxxxxxxx...xxxxxxxxxxxxx' is not a number"),
        ("1,2\n3,\n", ", row 2, column 2 is empty"),
        ('1\n""\n', ", row 2, column 1 is empty"),
        ("1,2\n3,nan\n", ", row 2, column 2: 'nan' is not finite"),
        ("1,2\n3,1e999\n", ", row 2, column 2: '1e999' is not finite"),
        ("nan,2\n3,4\n", ", row 1, column 1: 'nan' is not finite"),
        ("1,2\n\n3,4,5\n", ", row 3 has 3 cells, but the first has 2"),
        ("1,2\n3,4\n5\n", ", row 3 has 1 cells, but the first has 2"),
        ("a,b,\n1,2\n", ", row 2 has 2 cells, but the first has 3"),
        ("a,b\n", " has a header, but no rows"),
        ("\n \n\n", " has no rows"),
        ('1,"2\n3,4\n', ", row 1 is not well-formed CSV"),
        ('1,2\n3,"4"x\n', ", row 2 is not well-formed CSV"),
        ("1,2\n3," + "4" * 200000, ", row 2 is not well-formed CSV: field larger than field limit"),
        (b"1,2\n3,\xff\n", " is not text in UTF-8"),
        ("größe,b\n1,2".encode("latin1"), " is not text in UTF-8"),
        ("1,2\n3,4".encode("utf-16"), " is not text in UTF-8"),
        (b"1,2\n3,\0\n", " is not text in UTF-8"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused_with_the_place_a_spreadsheet_shows(text, fragment, written):
    path = written(text)
    refused(lambda: tables.read(path), f"{str(path)!r}{fragment}")


@pytest.mark.parametrize(
    ("text", "labels", "cell"),
    [
        ("a;b;c\n1,5;2,5;3,5\n", None, "row 2, column 1 (a): '1,5'"),
        ("1,5;2,5;3,5\n4,5;5,5;6,5\n", None, "row 1, column 1: '1,5'"),
        ("1,5;2\n3;4\n", None, "row 1, column 1: '1,5'"),  # no header, though the only text is above a number
        ("a\tb\n1,5\t2,5\n", None, "row 2, column 1 (a): '1,5'"),
        ('"a";"b"\n"1,5";"2,5"\n', None, "row 2, column 1 (a): '1,5'"),
        ('a,b\n"1,5","2,5"\n', None, "row 2, column 1 (a): '1,5'"),
        ("in cm, about;in g, or so\n1,5;2,5\n", None, "row 2, column 1 (in cm, about): '1,5'"),
        ("a;b;kind\n1,5;2,5;rose\n", "kind", "row 2, column 1 (a): '1,5'"),
        ("1,5;2,5;rose\n", 2, "row 1, column 1: '1,5'"),
        ("a;b\n1.234,5;1\n", None, "row 2, column 1 (a): '1.234,5'"),
        ("a;b\n2; -1,5E+03\n", None, "row 2, column 2 (b): ' -1,5E+03'"),
        ("a;b\n,5;1\n", None, "row 2, column 1 (a): ',5'"),
    ],
)
def test_decimal_commas_are_called_that_whatever_separates_the_cells(text, labels, cell, written):
    path = written(text)
    refused(lambda: tables.read(path, labels), f"{str(path)!r}, {cell} has a decimal comma: write decimal points")


@pytest.mark.parametrize("text", ["a\n1,5\n", "a,b\n1,5,2,5\n"])
def test_a_number_of_which_a_decimal_comma_made_two_cells_is_explained(text, written):
    refused(lambda: tables.read(written(text)), "but the first has", ": if the file has decimal commas, write decimal")


def test_rows_too_long_for_another_reason_say_nothing_of_decimal_commas(written):
    for text in ("a,b\n1.5,2,3\n", "a,b\n1\n"):
        assert "decimal" not in refused(lambda text=text: tables.read(written(text)), "but the first has 2")


NAMES = [("", "2"), ("a,b,the kind", "'the kind'"), ("a,b,", "2"), ("a,c,c", "2"), ("a,b,-c", "2")]
NAMES += [("a,b," + "c" * 99, "2")]


@pytest.mark.parametrize(("header", "words"), NAMES)
def test_the_label_that_a_message_names_is_one_that_works(header, words, written):
    path = written(header + "\n1,2,x\n3,4,y\n")
    found = refused(lambda: tables.read(path), "--labels").rpartition("--labels ")[2]
    assert found == words
    assert tables.read(path, *shlex.split(found)).label_names == ("x", "y")


@pytest.mark.parametrize("cell", ["NA", "n/a", "?", "None", "-"])
def test_what_stands_for_nothing_is_called_missing_with_labels_and_without(cell, written):
    for labels in (None, "kind"):
        refused(
            lambda labels=labels: tables.read(written(f"a,b,kind\n1,{cell},2\n"), labels), "a missing value: fill it"
        )


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("Hosp B", "encode it as numbers, or leave the column out with --drop b"),
        ("True", "write 1 and 0"),
        (" FALSE", "write 1 and 0"),
    ],
)
def test_beside_known_labels_a_text_gets_advice_too(cell, advice, written):
    path = written(f"a,b,kind\n1,{cell},x\n")
    assert refused(lambda: tables.read(path, "kind")).endswith(f"column 2 (b): {cell!r} is not a number: {advice}")


def test_commas_between_thousands_are_not_taken_for_columns_beside_a_label(written):
    path = written("12,34,567;3\n12,34,567;4\n")
    refused(lambda: tables.read(path, -1), "'12,34,567' has commas between thousands")


def test_a_label_that_holds_another_separator_does_not_become_it(written):
    table = tables.read(written("1,2,a;b\n3,4,c;d;e\n"), 2)
    assert (table.x.tolist(), table.label_names) == ([[1, 2], [3, 4]], ("a;b", "c;d;e"))


@pytest.mark.parametrize(
    ("text", "labels", "fragment"),
    [
        (FLOWERS, "kind", " has no column 'kind': its 3 columns, numbered from 0, are 'length', 'width', 'species'"),
        (FLOWERS, 3, " has no column 3: its 3 columns, numbered from 0, are 'length', 'width', 'species'"),
        (FLOWERS, "-4", " has no column '-4': its 3 columns"),
        ("1,2\n3,4\n", "kind", " has no column 'kind': its 2 columns, numbered from 0, are not named"),
        ("a,b\n1,2\n".replace(",", ",a" * 5000 + ","), "kind", " has no column 'kind': its 5002 columns"),
        ("a,b,a\n1,2,3\n", "a", " has 2 columns called 'a'"),
        ("a\n1\n", "a", " has no column but that of the labels"),
        (FLOWERS + "6,7,\n", "species", ", row 5, column 3 (species) is empty: every example needs a label"),
        (FLOWERS + "6,x,setosa\n", "species", ", row 5, column 2 (width): 'x' is not a number"),
        ("0,1,kind\n4,5,6\n7,8,9\n", 2, ", row 1, column 3: 'kind' is the only label that is no whole number"),
        ("kind,0,1\n6,4,5\n", 0, ", row 1, column 1: 'kind' is the only label that is no whole number"),
    ],
)
def test_labels_that_are_not_there_are_refused_with_the_place_or_the_names_that_are(text, labels, fragment, written):
    path = written(text)
    message = refused(lambda: tables.read(path, labels), f"{str(path)!r}{fragment}")
    assert "--labels" not in message
    assert len(message) < 400 + len(str(path))
