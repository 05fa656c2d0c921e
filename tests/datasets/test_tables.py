"""The user's own files: what is read from .npy, .npz and .csv, exactly, and how anything else is refused."""

import csv
import io
import os
import pickle
import shlex
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minivae import DataError
from minivae.datasets import csvfiles, npyfiles, npzfiles, tables

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(action, *fragments):
    """``action`` raises a DataError of one line that holds all fragments, with no traceback chained to it."""
    with pytest.raises(DataError) as caught:
        action()
    message, error = str(caught.value), caught.value
    for fragment in fragments:
        assert fragment in message
    assert "\n" not in message
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    return message


def refused_cheaply(action, *fragments, limit=2**20):
    """As ``refused``, with less than ``limit`` bytes asked for on the way."""
    tracemalloc.start()
    try:
        refused(action, *fragments)
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def matrix(n=20, width=3, dtype="float64"):
    return np.arange(n * width).reshape(n, width).astype(dtype)


def denied(*_arguments, **_options):
    raise PermissionError(13, "Permission denied")


class Trap:
    """Unpickling this makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def read_or_refuse(path, content):
    path.write_bytes(content)
    try:
        table = tables.read(path)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - a random file may also be a good one
        return
    assert len(table.x) >= 1
    assert np.isfinite(table.x).all()


# -- what all formats have in common -----------------------------------------------------------------------

ENDINGS = pytest.mark.parametrize("ending", [".npy", ".npz", ".csv"])


@ENDINGS
def test_a_missing_file_is_refused_with_its_name(ending):
    for name in ("missing", "a\0b", "x" * 5000, "\ud800"):
        refused(lambda name=name: tables.read(name + ending), f"cannot read {name + ending!r}")


@ENDINGS
def test_a_file_of_zero_bytes_is_refused(ending, tmp_path):
    path = tmp_path / f"empty{ending}"
    path.touch()
    refused(lambda: tables.read(path), f"empty{ending}", "is empty (0 bytes)")


@ENDINGS
def test_a_folder_is_refused(ending, tmp_path):
    (tmp_path / f"folder{ending}").mkdir()
    refused(lambda: tables.read(tmp_path / f"folder{ending}"), "is a folder", ".npy, .npz or .csv")


@ENDINGS
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_is_refused_and_not_waited_for(ending, tmp_path):
    os.mkfifo(tmp_path / f"pipe{ending}")
    refused(lambda: tables.read(tmp_path / f"pipe{ending}"), "is not a regular file")


@ENDINGS
def test_a_file_that_may_not_be_read_is_refused_with_the_reason(ending, tmp_path, monkeypatch):
    for module in (npyfiles, npzfiles, csvfiles):
        monkeypatch.setattr(module, "open", denied, raising=False)
    path = tmp_path / f"mine{ending}"
    path.write_text("1,2", encoding="utf-8")
    refused(lambda: tables.read(path), "cannot read", f"mine{ending}': Permission denied")


def test_another_ending_is_refused_with_those_that_are_read(tmp_path):
    (tmp_path / "x.txt").write_text("1,2", encoding="utf-8")
    refused(lambda: tables.read(tmp_path / "x.txt"), "ending .npy, .npz or .csv, got the ending '.txt'")


def test_the_ending_may_be_written_in_capitals_or_given(tmp_path):
    (tmp_path / "LOUD.CSV").write_text("1,2", encoding="utf-8")
    (tmp_path / "x.txt").write_text("1,2", encoding="utf-8")
    assert tables.read(tmp_path / "LOUD.CSV").x.tolist() == [[1, 2]]
    assert tables.read(tmp_path / "x.txt", ending=".csv").x.tolist() == [[1, 2]]


@pytest.mark.parametrize("labels", [1.0, b"y", ["y"], ("a", "b")])
def test_labels_that_are_neither_a_name_nor_a_number_are_a_type_error(labels, tmp_path):
    with pytest.raises(TypeError, match="the name or the number of a column"):
        tables.read(tmp_path / "x.csv", labels)


def test_what_is_no_path_is_a_type_error():
    with pytest.raises(TypeError, match="a string or a path"):
        tables.read(3)


@ENDINGS
def test_one_example_is_enough(ending, tmp_path):
    path = tmp_path / f"one{ending}"
    {".npy": np.save, ".npz": np.savez, ".csv": lambda path, x: np.savetxt(path, x, delimiter=",")}[ending](
        path, matrix(1)
    )
    table = tables.read(path)
    assert table.x.tolist() == [[0, 1, 2]]
    assert (table.labels, table.label_names, table.columns, table.image_shape) == (None, (), (), None)


# -- .npy --------------------------------------------------------------------------------------------------


PRECISIONS = pytest.mark.parametrize(
    ("stored", "loaded"),
    [
        ("float64", "float64"),
        ("float32", "float32"),
        ("float16", "float32"),
        (">f8", "float64"),
        (">f4", "float32"),
        ("uint8", "float32"),
        ("int64", "float32"),
        (">i2", "float32"),
        ("bool", "float32"),
    ],
)


@PRECISIONS
def test_the_precision_of_floats_is_kept_and_everything_else_becomes_float32(stored, loaded, saved):
    x = matrix(dtype=stored)
    table = tables.read(saved(x))
    assert table.x.dtype == np.dtype(loaded)
    assert table.x.dtype.isnative
    np.testing.assert_array_equal(table.x, x)


def test_images_are_flattened_row_by_row_and_their_shape_is_remembered(saved):
    images = np.arange(4 * 2 * 3, dtype="float32").reshape(4, 2, 3)
    table = tables.read(saved(images))
    assert table.image_shape == (2, 3)
    np.testing.assert_array_equal(table.x[3].reshape(2, 3), images[3])


def test_a_matrix_of_square_width_is_not_taken_for_images(saved):
    assert tables.read(saved(matrix(width=64))).image_shape is None


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_both_versions_of_the_format_and_both_layouts_are_read(version, layout, tmp_path):
    x = np.asarray(matrix(), order=layout)
    with open(tmp_path / "x.npy", "wb") as file:
        np.lib.format.write_array(file, x, version)
    np.testing.assert_array_equal(tables.read(tmp_path / "x.npy").x, x)


@pytest.mark.parametrize("labels", ["y", 0, "0"])
def test_labels_of_an_npy_file_are_an_error_because_it_holds_none(labels, saved):
    path = saved(matrix())
    refused(lambda: tables.read(path, labels), repr(str(path)), "holds no labels", f"labels={labels!r}", "np.savez")


NO_EXAMPLES = pytest.mark.parametrize(
    ("array", "fragment"),
    [
        (np.zeros(5), "must have the shape (examples, features) or (examples, h, w), got (5,)"),
        (np.array(1.0), "(examples, h, w), got ()"),
        (np.zeros((2, 3, 4, 5)), "(examples, h, w), got (2, 3, 4, 5)"),
        (np.zeros((0, 3)), "has 0 examples"),
        (np.zeros((3, 0)), "has 0 features"),
        (np.zeros((3, 4, 0)), "has 0 features"),
        (matrix(dtype=complex), "must hold real numbers of at most 64 bits, got dtype complex128"),
        (matrix(dtype="complex64"), "must hold real numbers of at most 64 bits, got dtype complex64"),
        (matrix(dtype=str), "must hold real numbers of at most 64 bits, got dtype <U"),
        (matrix(dtype=bytes), "must hold real numbers of at most 64 bits, got dtype |S"),
        (matrix(dtype="datetime64[s]"), "must hold real numbers of at most 64 bits, got dtype datetime64[s]"),
        (np.zeros((4, 2), [("a", "f4"), ("b", "f4")]), "must hold real numbers of at most 64 bits, got dtype [("),
        (matrix(dtype=object), "holds Python objects, which are never unpickled"),
        (np.zeros((4, 2), [("a", object)]), "holds Python objects, which are never unpickled"),
    ],
)


@NO_EXAMPLES
def test_an_array_that_no_vae_is_shown_is_refused(array, fragment, saved):
    path = saved(array)
    refused(lambda: tables.read(path), repr(str(path)), fragment)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_a_value_that_is_not_finite_is_refused_with_its_place(value, word, dtype, saved):
    x = matrix(dtype=dtype)
    x[7, 2] = value
    path = saved(x)
    refused(lambda: tables.read(path), repr(str(path)), f"contains {word}, first at row 7, column 2")


@pytest.mark.skipif(np.dtype("longdouble").itemsize == 8, reason="long double is double on this system")
def test_long_doubles_are_refused(saved):
    path = saved(matrix(dtype="longdouble"))
    refused(lambda: tables.read(path), "must hold real numbers of at most 64 bits, got dtype float")


@pytest.mark.parametrize("kept", [7, 60, 128, 129, 300, 607])
def test_a_truncated_file_is_refused_wherever_it_was_cut(kept, saved):
    path = saved(matrix())
    path.write_bytes(path.read_bytes()[:kept])
    what = (
        "header cannot be read"
        if kept < 128
        else f"is truncated: its header promises 608 bytes, but the file has {kept}"
    )
    refused(lambda: tables.read(path), repr(str(path)), what)


def test_a_file_with_more_than_its_header_promises_is_refused(saved):
    path = saved(matrix())
    path.write_bytes(path.read_bytes() + b"x")
    refused(lambda: tables.read(path), "is damaged: its header promises 608 bytes, but the file has 609")


def npy(descr="'<f8'", shape="(2, 3)", version=(1, 0), length=None, body=b""):
    """The bytes of a .npy file with a header of one's own."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode("latin1")
    width = 2 if version == (1, 0) else 4
    length = len(header) if length is None else length
    return b"\x93NUMPY" + bytes(version) + length.to_bytes(width, "little") + header + body


@pytest.mark.parametrize(
    "shape", ["(2**60, 1)", f"({2**60}, 1)", f"({2**40}, {2**40})", f"({2**63}, {2**63}, {2**63})"]
)
def test_a_header_that_promises_the_moon_is_refused_before_memory_is_asked_for(shape, tmp_path):
    (tmp_path / "moon.npy").write_bytes(npy(shape=shape, body=bytes(48)))
    what = "header cannot be read" if "**" in shape else "is truncated"
    refused(lambda: tables.read(tmp_path / "moon.npy"), what)


def test_a_header_that_claims_to_be_gigabytes_long_costs_no_memory(tmp_path):
    (tmp_path / "x.npy").write_bytes(npy(version=(2, 0), length=2**32 - 1, body=bytes(48)))
    refused_cheaply(lambda: tables.read(tmp_path / "x.npy"), "header cannot be read")


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (npy(shape="(-2, 3)"), "gives the shape (-2, 3)"),
        (npy(shape="(-2, -3)", body=bytes(48)), "gives the shape (-2, -3)"),
        (npy(shape="'ab'"), "header cannot be read"),
        (npy(descr="'nonsense'"), "header cannot be read"),
        (npy(descr="[[]]"), "header cannot be read"),
        (npy(version=(3, 0)), "header cannot be read"),
        (npy(version=(9, 9)), "header cannot be read"),
        (npy(shape="(" * 500), "header cannot be read"),
        (b"not numpy", "is not a .npy file"),
        (b"PK\x03\x04 an npz with another ending", "is not a .npy file"),
    ],
)
def test_a_file_that_numpy_did_not_write_is_refused(content, fragment, tmp_path):
    (tmp_path / "x.npy").write_bytes(content)
    refused(lambda: tables.read(tmp_path / "x.npy"), "x.npy", fragment)


@pytest.mark.parametrize("how", ["pickle", "object array"])
def test_nothing_is_ever_unpickled(how, tmp_path):
    path, proof = tmp_path / "evil.npy", tmp_path / "it ran"
    with open(path, "wb") as file:
        if how == "pickle":
            pickle.dump(Trap(str(proof)), file)
        else:
            np.save(file, np.array([[Trap(str(proof))]], dtype=object), allow_pickle=True)
    refused(lambda: tables.read(path), "pickles are not read" if how == "pickle" else "never unpickled")
    assert not proof.exists()


@FUZZ
@given(content=st.binary(max_size=200) | st.binary(max_size=200).map(b"\x93NUMPY\x01\x00".__add__))
def test_random_bytes_called_npy_raise_nothing_but_data_errors(content, tmp_path):
    read_or_refuse(tmp_path / "x.npy", content)


@FUZZ
@pytest.mark.filterwarnings("ignore")  # NumPy and Python's parser warn about what is in such headers
@given(
    descr=st.sampled_from(["'<f8'", "'|u1'", "'|O'", "'<c8'", "'<U0'", "'|V0'", "[('a', '<f4')]", "3", "None"]),
    shape=st.lists(st.integers(-3, 2**64), max_size=5).map(tuple).map(str) | st.text(max_size=30).map(ascii),
    body=st.binary(max_size=100),
)
def test_random_headers_raise_nothing_but_data_errors(descr, shape, body, tmp_path):
    read_or_refuse(tmp_path / "x.npy", npy(descr, shape, body=body))


@FUZZ
@pytest.mark.filterwarnings("ignore")
@given(place=st.integers(0, 607), byte=st.integers(0, 255))
def test_one_changed_byte_raises_nothing_but_data_errors(place, byte, tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, matrix())
    content = bytearray(buffer.getvalue())
    content[place] = byte
    read_or_refuse(tmp_path / "x.npy", bytes(content))


# -- .npz: what is accepted --------------------------------------------------------------------------------


@pytest.fixture
def zipped(tmp_path):
    """A function that saves arrays in one .npz file and returns the path."""

    def save(*arrays, compressed=False, **named):
        (np.savez_compressed if compressed else np.savez)(tmp_path / "mine.npz", *arrays, **named)
        return tmp_path / "mine.npz"

    return save


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("layout", ["C", "F"])
@PRECISIONS
def test_an_array_in_an_archive_is_read_as_it_would_be_from_a_file_of_its_own(
    stored, loaded, layout, compressed, zipped
):
    x = np.asarray(matrix(dtype=stored), order=layout)
    table = tables.read(zipped(x=x, compressed=compressed))
    assert table.x.dtype == np.dtype(loaded)
    np.testing.assert_array_equal(table.x, x)
    assert (table.labels, table.label_names, table.columns, table.image_shape) == (None, (), (), None)
    assert (table.train_rows, table.x.flags.writeable, table.x.flags.c_contiguous) == (None, True, True)


def test_an_array_of_many_chunks_arrives_whole(zipped):
    x = np.random.default_rng(0).random((1000, 99))
    np.testing.assert_array_equal(tables.read(zipped(x=x, compressed=True)).x, x)


@pytest.mark.parametrize("name", ["x", "X", "data"])
def test_the_examples_are_found_by_their_name_whatever_else_there_is(name, zipped):
    others = {"a": matrix(4), "mean": matrix(2, 2), "notes": np.array(["n"]), "objects": np.array([None])}
    np.testing.assert_array_equal(tables.read(zipped(**others, **{name: matrix(5)})).x, matrix(5))


def test_what_is_no_npy_file_in_an_archive_is_passed_over(zipped):
    path = zipped(x=matrix(3))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("README.txt", "three rows")
    np.testing.assert_array_equal(tables.read(path).x, matrix(3))


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


@pytest.mark.parametrize(
    "y",
    [
        np.zeros(19, int),
        np.zeros((20, 1), int),
        np.full(20, 0.5),
        np.full(20, np.nan),
        np.full(20, 1e300),
        np.full(20, 2**64 - 1, np.uint64),
        np.zeros(20, complex),
        np.full(20, b"a"),
        np.full(20, None),
        np.zeros(20, "datetime64[s]"),
    ],
)
def test_an_array_called_y_that_is_no_labels_is_passed_over_but_refused_if_it_is_named(y, zipped):
    path = zipped(x=matrix(), y=y)
    assert tables.read(path).labels is None
    refused(lambda: tables.read(path, "y"), f"'y' in {str(path)!r}", "one whole number or text for each of 20 examples")


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (("x_train", "x_test"), ("y_train", "y_test")),
        (("train", "test"), ("train_labels", "test_labels")),
        (("x_train", "x_test"), ("train_labels", "test_labels")),
    ],
)
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


def test_an_array_called_x_is_all_the_examples_even_beside_the_indices_of_a_split(zipped):
    table = tables.read(zipped(x=matrix(3), train=np.array([0, 1]), test=np.array([2])))
    assert (len(table.x), table.train_rows) == (3, None)


# -- .npz: what is refused ---------------------------------------------------------------------------------


@NO_EXAMPLES
def test_an_array_in_an_archive_that_no_vae_is_shown_is_refused_too(array, fragment, zipped):
    path = zipped(x=array)
    refused(lambda: tables.read(path), f"'x' in {str(path)!r}", fragment)


@pytest.mark.parametrize("arrays", [{}, {"a": matrix(), "b": matrix()}, {"a": np.zeros(3)}, {"x_train": np.zeros(3)}])
def test_an_archive_without_examples_is_refused_with_the_names_in_it(arrays, zipped):
    path = zipped(**arrays)
    refused(lambda: tables.read(path), repr(str(path)), ", ".join(map(repr, arrays)) or "no arrays", "x_train")


def test_a_value_that_is_not_finite_in_an_archive_is_refused_with_its_place(zipped):
    x = matrix()
    x[7, 2] = np.nan
    refused(lambda: tables.read(zipped(X=x)), "'X' in '", "contains NaN, first at row 7, column 2")
    parts = {"train": matrix(3), "test": x}
    refused(lambda: tables.read(zipped(**parts)), "'train' and 'test' in '", "first at row 10, column 2")


def test_parts_of_different_width_are_refused(zipped):
    refused(
        lambda: tables.read(zipped(train=matrix(4, 3), test=matrix(4, 2))),
        "'train' and 'test'",
        "examples of one shape, got (3,) and (2,)",
    )
    refused(lambda: tables.read(zipped(train=matrix(4, 3), test=matrix(0, 3))), "'test' in", "has 0 examples")


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


def test_labels_of_no_width_are_no_labels(tmp_path):
    path = archive(tmp_path, {"x": npy(body=bytes(48)), "y": npy("'<U0'", "(2,)")})
    assert tables.read(path).labels is None


@pytest.mark.parametrize("how", ["pickle", "object array", "object labels"])
def test_nothing_in_an_archive_is_ever_unpickled(how, tmp_path):
    path, proof = tmp_path / "evil.npz", tmp_path / "it ran"
    trap = Trap(str(proof))
    if how == "pickle":
        archive(tmp_path, {"x": pickle.dumps(trap)}).rename(path)
        refused(lambda: tables.read(path), "'x' in", "pickles are not read")
    elif how == "object array":
        np.savez(path, x=np.array([[trap]], dtype=object))
        refused(lambda: tables.read(path), "'x' in", "never unpickled")
    else:
        np.savez(path, x=matrix(1), y=np.array([trap], dtype=object))
        refused(lambda: tables.read(path, "y"), "'y' in", "whole number or text")
        assert tables.read(path).labels is None
    assert not proof.exists()


def archive(folder, files, method=zipfile.ZIP_DEFLATED, **changed):
    """A zip file with ``files`` (name: bytes); ``changed`` fields of the last entry in the central directory."""
    path = folder / "made.npz"
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in files.items():
            file.writestr(f"{name}.npy", content)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    for field, value in changed.items():
        layout, at = {
            "flags": ("<H", 8),
            "method": ("<H", 10),
            "crc": ("<I", 16),
            "csize": ("<I", 20),
            "usize": ("<I", 24),
        }[field]
        struct.pack_into(layout, content, entry + at, value)
    path.write_bytes(content)
    return path


def test_an_encrypted_entry_is_refused(tmp_path):
    path = archive(tmp_path, {"x": npy(body=bytes(48))}, flags=1)
    refused(lambda: tables.read(path), f"'x' in {str(path)!r} is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_compression_method_is_refused(method, tmp_path):
    path = archive(tmp_path, {"x": npy(body=bytes(48))}, method)
    refused(lambda: tables.read(path), f"'x' in {str(path)!r} is compressed by another method than deflate")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
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
    refused(lambda: tables.read(path), "'x' in", f"is truncated: {len(short) + 88000} bytes were expected")


def test_an_array_that_is_not_as_long_as_its_header_promises_is_refused(tmp_path):
    for body in (bytes(47), bytes(49)):
        path = archive(tmp_path, {"x": npy(body=body)})
        refused(lambda path=path: tables.read(path), "'x' in", "its header promises")


def test_an_entry_that_promises_the_moon_is_refused_before_memory_is_asked_for(tmp_path):
    moon = npy(shape=f"({2**28}, 1)")
    size = len(moon) + 2**31
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = archive(tmp_path, {"x": moon}, method)
        refused_cheaply(lambda path=path: tables.read(path), "'x' in", "is truncated: its header promises")
        path = archive(tmp_path, {"x": moon}, method, usize=size)
        refused_cheaply(lambda path=path: tables.read(path), "'x' in", f"is damaged: {size} bytes cannot come from")
        path = archive(tmp_path, {"x": moon}, method, usize=size, csize=size)
        refused_cheaply(
            lambda path=path: tables.read(path), "'x' in", f"{size} bytes cannot come from {size} in a file"
        )


def test_a_stored_array_has_no_more_bytes_than_the_archive_spends_on_it(tmp_path):
    cut = npy(shape="(100, 4)", body=bytes(48))
    path = archive(tmp_path, {"x": cut}, zipfile.ZIP_STORED, usize=len(cut) - 48 + 3200)
    refused(lambda: tables.read(path), "'x' in", f"bytes cannot come from {len(cut)}")


def test_a_zip_bomb_is_refused_before_memory_is_asked_for(tmp_path):
    bomb = npy(body=bytes(2**25))
    path = archive(tmp_path, {"x": bomb})
    refused_cheaply(lambda: tables.read(path), "'x' in", f"but the file has {len(bomb)}")
    path = archive(tmp_path, {"x": bomb}, usize=len(npy(body=bytes(48))))  # as long as its header promises, if not true
    refused_cheaply(lambda: tables.read(path), repr(str(path)), "CRC")


def test_the_most_compressible_array_is_not_taken_for_a_bomb(zipped):
    path = zipped(x=np.zeros((2000, 1000)), compressed=True)
    assert path.stat().st_size < 2000 * 1000 * 8 / 1000
    assert tables.read(path).x.shape == (2000, 1000)


@FUZZ
@given(content=st.binary(max_size=200) | st.binary(max_size=200).map(b"PK\x03\x04".__add__))
def test_random_bytes_called_npz_raise_nothing_but_data_errors(content, tmp_path):
    read_or_refuse(tmp_path / "x.npz", content)
    read_or_refuse(tmp_path / "x.npz", content + b"PK\x05\x06" + bytes(18))


def valid_archive(compressed):
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, x=matrix(), y=np.array(["a", "b"] * 10))
    return buffer.getvalue()


ARCHIVES = {compressed: valid_archive(compressed) for compressed in (True, False)}


@settings(FUZZ, max_examples=100)
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.filterwarnings("ignore")
@given(place=st.integers(0, 2**16), byte=st.integers(0, 255))
def test_one_changed_byte_of_an_archive_raises_nothing_but_data_errors(compressed, place, byte, tmp_path):
    content = bytearray(ARCHIVES[compressed])
    content[place % len(content)] = byte
    read_or_refuse(tmp_path / "x.npz", bytes(content))


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


def test_one_row_may_have_a_label_that_is_a_text(written):
    table = tables.read(written("1,2,rose\n"), 2)
    assert (table.x.tolist(), table.labels.tolist(), table.label_names) == ([[1, 2]], [0], ("rose",))


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
    text = tables.read.__doc__
    for word in (
        "UTF-8",
        "semicolon",
        "header",
        "decimal points",
        "thousands",
        "missing",
        "one row in ten",
        "--labels",
    ):
        assert word in text, word


# -- .csv: what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("a,b\n1,2\n3,x\n", ", row 3, column 2 (b): 'x' is not a number: remove the column, or encode it"),
        ("1,2\n3,x\n", ", row 2, column 2: 'x' is not a number: remove"),
        ("1,2\n\n\n1_000,x\n", ", row 4, column 1: '1_000' is not a number"),
        ("1,2\n3,1_000\n", ", row 2, column 2: '1_000' is not a number"),
        (
            "a,b c\n1,2\n3,x\n",
            ", row 3, column 2 (b c): 'x' is not a number: remove the column, or encode it as numbers, or if the "
            "column holds labels, name it with --labels 'b c'",
        ),
        (
            "1,2\n3,True\n",
            ", row 2, column 2: 'True' is not a number: write 1 and 0, or if the column holds labels, name it with",
        ),
        (
            "1,2\n3,NA\n",
            ", row 2, column 2: 'NA' looks like a missing value: fill it in, or remove the row or the column",
        ),
        ("NA,2\n3,4\n", ", row 1, column 1: 'NA' looks like a missing value"),  # and is no header
        ("a\nNA\n3\n", ", row 2, column 1 (a): 'NA' looks like a missing value"),
        ("1,2\n3,?\n", ", row 2, column 2: '?' looks like a missing value"),
        (
            '1,2\n3,"1,000.5"\n',
            ", row 2, column 2: '1,000.5' has commas between thousands: leave them out (pandas.re",
        ),
        ('1,2\n3,"2,345,678"\n', ", row 2, column 2: '2,345,678' has commas between thousands"),
        ('"1,000.5",2\n3,4\n', ", row 1, column 1: '1,000.5' has commas between thousands"),  # and is no header
        ('a\n"12,34,567"\n', ", row 2, column 1 (a): '12,34,567' has commas between thousands"),
        ("1,000.5;2,000.5\n3;4\n", ", row 1, column 1: '1,000.5' has commas between thousands"),
        ('1,2\n3,"1,2,3"\n', ", row 2, column 2: '1,2,3' is not a number"),
        ("1,2\n3,0x10\n", ", row 2, column 2: '0x10' is not a number"),
        ("1;2\n3;4,5\n", ", row 2, column 2: '4,5' has a decimal comma: write decimal points"),
        ('"a\nb",c\n1,2\n3,x\n', ", row 3, column 2 (c): 'x'"),
        ('c,"a\nb"\n1,2\n3,"x\ny"\n', ", row 3, column 2 (a b): 'x\\ny'"),
        ("1,2\n3," + "x" * 1000, ", row 2, column 2: 'xxxxxxxxxxxx...xxxxxxxxxxxxx' is not a number"),
        (",b\n1,2\nx,4\n", ", row 3, column 1: 'x'"),
        ("1,2\n3,\n", ", row 2, column 2 is empty"),
        ("1,2\n , 3\n", ", row 2, column 1 is empty"),
        ('1\n""\n', ", row 2, column 1 is empty"),
        ("1,2\n,\n", ", row 2, column 1 is empty"),
        ("1,2\n3,nan\n", ", row 2, column 2: 'nan' is not finite"),
        ("1,2\n3,-Infinity\n", ", row 2, column 2: '-Infinity' is not finite"),
        ("1,2\n3,1e999\n", ", row 2, column 2: '1e999' is not finite"),
        ("nan,2\n3,4\n", ", row 1, column 1: 'nan' is not finite"),
        ("1,2\n\n3,4,5\n", ", row 3 has 3 cells, but the first has 2"),
        ("1,2\n3,4\n5\n", ", row 3 has 1 cells, but the first has 2"),
        ("a,b,\n1,2\n", ", row 2 has 2 cells, but the first has 3"),
        ("a,b\n", " has a header, but no rows"),
        ("\n \n\n", " has no rows"),
        ("\ufeff", " has no rows"),
        ('1,"2\n3,4\n', ", row 1 is not well-formed CSV"),
        ('1,2\n3,"4"x\n', ", row 2 is not well-formed CSV"),
        ("1,2\n3," + "4" * 200000, ", row 2 is not well-formed CSV: field larger than field limit"),
        (b"1,2\n3,\xff\n", " is not text in UTF-8"),
        ("größe,b\n1,2".encode("latin1"), " is not text in UTF-8"),
        ("1,2\n3,4".encode("utf-16"), " is not text in UTF-8"),
        ("1,2\n3,4".encode("utf-16-le"), " is not text in UTF-8"),
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
        ("1;2,5\n", None, "row 1, column 2: '2,5'"),
        ("a\tb\n1,5\t2,5\n", None, "row 2, column 1 (a): '1,5'"),
        ("1,5\t2,5\n3,5\t4,5\n", None, "row 1, column 1: '1,5'"),
        ('"a";"b"\n"1,5";"2,5"\n', None, "row 2, column 1 (a): '1,5'"),
        ('"1,5";"2,5";"3,5"\n', None, "row 1, column 1: '1,5'"),
        ('a,b\n"1,5","2,5"\n', None, "row 2, column 1 (a): '1,5'"),
        ('"1,5","2,5"\n', None, "row 1, column 1: '1,5'"),
        ("in cm, about;in g, or so\n1,5;2,5\n", None, "row 2, column 1 (in cm, about): '1,5'"),
        ("a;b;kind\n1,5;2,5;rose\n", "kind", "row 2, column 1 (a): '1,5'"),
        ("a;b;kind\n1,5;2,5;rose\n", 2, "row 2, column 1 (a): '1,5'"),
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


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "2"),
        ("a,b,the kind", "'the kind'"),
        ("a,b,", "2"),
        ("a,c,c", "2"),
        ("a,b,-c", "2"),
        ("a,b," + "c" * 99, "2"),
    ],
)
def test_the_label_that_a_message_names_is_one_that_works(header, words, written):
    path = written(header + "\n1,2,x\n3,4,y\n")
    found = refused(lambda: tables.read(path), "--labels").rpartition("--labels ")[2]
    assert found == words
    assert tables.read(path, *shlex.split(found)).label_names == ("x", "y")


@pytest.mark.parametrize("cell", ["NA", "N/A", "n/a", "?", "null", "None", "-"])
def test_what_stands_for_nothing_is_called_missing_with_labels_and_without(cell, written):
    for labels in (None, "kind"):
        refused(
            lambda labels=labels: tables.read(written(f"a,b,kind\n1,{cell},2\n"), labels), "a missing value: fill it"
        )


@pytest.mark.parametrize(
    ("cell", "advice"),
    [("Hosp B", "remove the column, or encode it as numbers"), ("True", "write 1 and 0"), (" FALSE", "write 1 and 0")],
)
def test_beside_known_labels_a_text_gets_advice_too(cell, advice, written):
    path = written(f"a,b,kind\n1,{cell},x\n")
    assert refused(lambda: tables.read(path, "kind")).endswith(f"column 2 (b): {cell!r} is not a number: {advice}")


def test_a_label_that_holds_another_separator_does_not_become_it(written):
    table = tables.read(written("1,2,a;b\n3,4,c;d;e\n"), 2)
    assert (table.x.tolist(), table.label_names) == ([[1, 2], [3, 4]], ("a;b", "c;d;e"))


@pytest.mark.parametrize(
    ("text", "labels", "fragment"),
    [
        (FLOWERS, "kind", " has no column 'kind': its 3 columns, numbered from 0, are 'length', 'width', 'species'"),
        (FLOWERS, 3, " has no column 3: its 3 columns, numbered from 0, are 'length', 'width', 'species'"),
        (FLOWERS, "0_1", " has no column '0_1': its 3 columns"),
        (FLOWERS, "9" * 5, " has no column '99999': its 3 columns"),
        (FLOWERS, "-4", " has no column '-4': its 3 columns"),
        ("1,2\n3,4\n", "kind", " has no column 'kind': its 2 columns, numbered from 0, are not named"),
        ("1,2\n3,4\n", "", " has no column '': its 2 columns"),
        ("a,b\n1,2\n".replace(",", ",a" * 5000 + ","), "kind", " has no column 'kind': its 5002 columns"),
        ("a,b,a\n1,2,3\n", "a", " has 2 columns called 'a'"),
        ("a\n1\n", "a", " has no column but that of the labels"),
        (FLOWERS + "6,7,\n", "species", ", row 5, column 3 (species) is empty: every example needs a label"),
        (FLOWERS + "6,x,setosa\n", "species", ", row 5, column 2 (width): 'x' is not a number"),
        ("kind,a,b\nx,1,2\ny,3,z\n", "kind", ", row 3, column 3 (b): 'z' is not a number"),
        ("0,1,kind\n4,5,6\n7,8,9\n", 2, ", row 1, column 3: 'kind' is the only label that is no whole number"),
        ("1,kind\n3,4\n", "1", ", row 1, column 2: 'kind' is the only label that is no whole number"),
        ("kind,0,1\n6,4,5\n", 0, ", row 1, column 1: 'kind' is the only label that is no whole number"),
    ],
)
def test_labels_that_are_not_there_are_refused_with_the_place_or_the_names_that_are(text, labels, fragment, written):
    path = written(text)
    message = refused(lambda: tables.read(path, labels), f"{str(path)!r}{fragment}")
    assert "--labels" not in message
    assert len(message) < 400 + len(str(path))


@FUZZ
@given(content=st.binary(max_size=200) | st.text("01.-e,;\t\n\r\"' ax_\0\ufeff", max_size=60).map(str.encode))
def test_random_bytes_called_csv_raise_nothing_but_data_errors(content, tmp_path):
    read_or_refuse(tmp_path / "x.csv", content)


CELLS = st.sampled_from(["1", "-2.5", "3e4", "a", "", " ", "nan", "1e999", '"', "\0", "\n", "_1"]) | st.text(max_size=5)


@FUZZ
@given(
    rows=st.lists(st.lists(CELLS, max_size=4), max_size=4),
    labels=st.none() | st.integers(-5, 5) | st.sampled_from(["a", "1", "", "-2"]),
)
def test_random_cells_raise_nothing_but_data_errors(rows, labels, tmp_path):
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    (tmp_path / "x.csv").write_bytes(buffer.getvalue().encode("utf-8", "surrogatepass"))
    try:
        table = tables.read(tmp_path / "x.csv", labels)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert np.isfinite(table.x).all()
    assert (table.labels is None) == (labels is None)
    assert labels is None or len(table.labels) == len(table.x)


@FUZZ
@given(place=st.integers(0, len(FLOWERS) - 1), byte=st.integers(0, 255))
def test_one_changed_byte_of_a_csv_raises_nothing_but_data_errors(place, byte, tmp_path):
    content = bytearray(FLOWERS.replace("setosa", "1").replace("versicolor", "2").encode())
    content[place % len(content)] = byte
    read_or_refuse(tmp_path / "x.csv", bytes(content))
