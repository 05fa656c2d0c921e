"""Files from the field: each is read with the right values, noted, or refused with a way that works.

The inputs are those of kinds that users have reported: structure around a table of text, containers of other software,
and columns that are no features.
"""

import gzip
import os
import pickle
import re
import warnings

import numpy as np
import pytest
from test_tables import refused

from minivae import datasets
from minivae.datasets import tables
from minivae.datasets.notes import DataNote

RANDOM = np.random.default_rng(0)
REAL = np.round(RANDOM.normal(size=(40, 3)), 4)
WIDE = np.round(RANDOM.normal(size=(40, 6)), 4)
ROWS = [",".join(f"{value:.4f}" for value in row) for row in REAL]
TEXT = "\n".join(ROWS)
ABC = ("a", "b", "c")
GREY = RANDOM.integers(0, 256, (20, 8, 8)).astype(np.uint8)


def numbered(x):
    """What ``DataFrame(x).to_csv(index=False)`` writes."""
    return "\n".join([",".join(map(str, range(x.shape[1]))), *(",".join(map(str, row)) for row in x.tolist())])


def named_rows(names):
    return "\n".join(f"{name},{row}" for name, row in zip(names, ROWS, strict=True))


@pytest.fixture
def load(tmp_path):
    """A function that writes a file and loads it: the table, and the notes in one text; all warnings if healthy."""

    def load(name, content, *arguments, healthy=False, **options):
        path = tmp_path / name
        if isinstance(content, dict):
            np.savez(path, **content)
        elif isinstance(content, np.ndarray):
            np.save(path, content)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            datasets.load(path, *arguments, **options)
        assert all(warning.filename == __file__ for warning in caught)
        notes = [str(warning.message) for warning in caught if healthy or warning.category is DataNote]
        return tables.read(path, *arguments, **options), "\n".join(notes)

    return load


# -- the structure of a text file --------------------------------------------------------------------------

NO_NOTE = ""
STRUCTURES = {  # text, what the note says, and the rows and names that are right where they are not REAL and a, b, c
    "sep line": ("sep=;\na;b;c\n" + TEXT.replace(",", ";"), NO_NOTE),
    "sep line, quoted": ('"sep=|"\na|b|c\n' + TEXT.replace(",", "|"), NO_NOTE),
    "bars": ("a|b|c\n" + TEXT.replace(",", "|"), NO_NOTE),
    "bars as drawn": (
        "| a | b | c |\n|---|---|---|\n" + "\n".join(f"| {row.replace(',', ' | ')} |" for row in ROWS),
        "row 2, '---', '---', '---', below the header holds no numbers",
    ),
    "spaces": ("a b c\n" + TEXT.replace(",", " "), NO_NOTE),
    "columns of spaces": ("\n".join(["  a   b  c", *("  " + row.replace(",", "   ") + " " for row in ROWS)]), NO_NOTE),
    "comment": ("# instrument 7\na,b,c\n" + TEXT, "1 line(s) of comments, from row 1 on"),
    "comment with as many commas": ("# one, two, three\na,b,c\n" + TEXT, "1 line(s) of comments, from row 1 on"),
    "np.savetxt": ("# a,b,c\n" + TEXT, NO_NOTE),
    "np.savetxt, spaces": ("# a b c\n" + TEXT.replace(",", " "), NO_NOTE),
    "comments between": ("a,b,c\n" + TEXT + "\n# checked, by me\n#\n", "2 row(s) that begin with #, the first of"),
    "a header called #": ("#,b,c\n" + TEXT, NO_NOTE, REAL, ("#", "b", "c")),
    "preamble": ("Measured on 3 May, room 7\nby me\n\na,b,c\n" + TEXT, "2 row(s) above the table, from 'Measured"),
    "preamble, padded": ("Report,,\nby,me,\na,b,c\n" + TEXT, "2 row(s) above the table, from 'Report'"),
    "preamble, empty cells": ("Report,,\n,,\na,b,c\n" + TEXT, "2 row(s) above the table, from 'Report'"),
    "spaces before quotes": ('"a", "b", "c"\n' + TEXT.replace(",", ", "), NO_NOTE),
    "preamble, no header": ("Report\n" + TEXT, "1 row(s) above the table, from 'Report' on", REAL, ()),
    "preamble, semicolons": ("3 May, room 7\na;b;c\n" + TEXT.replace(",", ";"), "from '3 May, room 7' on"),
    "units": ("a,b,c\nm,kg,s\n" + TEXT, "row 2, 'm', 'kg', 's', below the header"),
    "units, one without": ("a,b,c\nm,-,s\n" + TEXT, "row 2, 'm', '-', 's', below the header"),
    "units and types": ("a,b,c\nm,kg,\nf,f,f\n" + TEXT, "row 3, 'f', 'f', 'f', below"),
    "files joined": (
        f"a,b,c\n{TEXT}\na,b,c\n{TEXT}", "1 row(s) that repeat the header, the first of them row 42", [*REAL, *REAL]
    ),
    "files joined with units": (
        f"a,b,c\nm,kg,s\n{TEXT}\na,b,c\nm,kg,s\n{TEXT}", "2 row(s) that repeat the header", [*REAL, *REAL]
    ),
    "trailing separators": ("a,b,c,\n" + TEXT.replace("\n", ",\n") + ",", NO_NOTE),
    "trailing separators but in the header": ("a,b,c\n" + TEXT.replace("\n", ",\n") + ",", NO_NOTE),
    "trailing separators, no header": (TEXT.replace("\n", ",\n") + ",", NO_NOTE, REAL, ()),
    "row names of R": ('"a","b","c"\n' + named_rows(f'"{k}"' for k in range(1, 41)), "the names of the rows, as R"),
    "row names that are names": ("a,b,c\n" + named_rows(f"car {k}" for k in range(40)), "the names of the rows"),
    "row names, spaces": (
        '"a" "b" "c"\n' + named_rows(f'"{k}"' for k in range(1, 41)).replace(",", " "), "the names of the rows"
    ),
    "numbered": (numbered(WIDE), "the first row, '0', '1', '2', ..., is read as the names", WIDE, tuple("012345")),
    "numbered, whole numbers": (
        numbered(GREY.reshape(20, 64)), "is read as the names", GREY.reshape(20, 64), tuple(map(str, range(64)))
    ),
    "signs in names": ("5%,50%,95%\n" + TEXT, NO_NOTE, REAL, ("5%", "50%", "95%")),
    "numbers in order": (numbered(np.arange(10, 60).reshape(5, 10)), "", np.arange(60).reshape(6, 10), ()),
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".csv.gz"])
def test_what_stands_around_a_table_is_told_from_it(name, ending, load):
    text, note, *right = STRUCTURES[name]
    rows, columns = (*right, ABC)[:2] if len(right) < 2 and right else (right or (REAL, ABC))
    content = gzip.compress(text.encode()) if ending.endswith(".gz") else text
    table, notes = load(f"mine{ending}", content)
    np.testing.assert_array_equal(table.x, rows)
    assert table.columns == columns
    assert note in notes if note else not notes, notes


def test_row_names_can_be_the_labels_or_be_dropped(load):
    text = "a,b,c\n" + named_rows(f"car {k}" for k in range(40))
    table, notes = load("mine.csv", text, 0)
    np.testing.assert_array_equal(table.x, REAL)
    assert "left out" not in notes
    assert table.label_names[table.labels[7]] == "car 7"
    assert load("mine.csv", text, drop=[0])[1] == ""


REFUSED = [
    ("a,b\n12%,3%\n4%,5%\n", "row 2, column 1 (a): '12%' has a sign beside the number: remove it from all cells"),
    ("12%,3%\n4%,5%\n", "row 1, column 1: '12%' has a sign beside the number"),
    ("a,b\n1,$3.50\n", "row 2, column 2 (b): '$3.50' has a sign beside the number"),
    (
        f"a,b,c\n{TEXT}\nb,a,c\n{TEXT}",
        "row 42 is another header, unlike the first: two files were joined whose columns",
    ),
    (f"a,b,c\n{TEXT}\na,b,d\n{TEXT}", "row 42 is another header, unlike the first"),
    (
        "a\n" + "\n".join(row[: row.rindex(",")] for row in ROWS),
        "row 2 has 2 cells, but the first has 1: if the header",
    ),
    ("1 000\n2 000\n", "row 1, column 1: '1 000' is not a number"),
    ("a,b\nx,y\nz,w\n", "row 1, column 1: 'a' is not a number"),
    ("a,b\nNA,NA\n1,2\n", "row 2, column 1 (a): 'NA' looks like a missing value"),
    ("kind,x\nrose,NA\niris,1.5\n", "row 2, column 1 (kind): 'rose' is not a number: encode it as numbers, or leave"),
    ("kind,x\nrose,cm\niris,1.5\n", "'kind' is not a number"),  # it is not clear that "cm" is a unit
    ("a,b\n1,2\nSource: me\n", "row 3 has 1 cells, but the first has 2: if it is a remark and no example, remove it"),
    ("Report\na;b\n1,5;2,5\n3,5;4,5\n", "row 3, column 1 (a): '1,5' has a decimal comma"),
    ("a,b,c\n1,2,3,\n4,5,6,7\n", "row 2 has 4 cells, but the first has 3"),
    ("a,b,c\n" + "1,2,3,\n" * 30 + "4,5,6,7\n", "row 32 has 4 cells, but the first has 3"),
]


@pytest.mark.parametrize(("text", "cause"), REFUSED)
def test_the_cause_is_named_where_a_structure_is_not_clear(text, cause, tmp_path):
    (tmp_path / "mine.csv").write_text(text)
    refused(lambda: tables.read(tmp_path / "mine.csv"), cause)


def test_a_gzip_file_that_is_damaged_or_a_bomb_is_refused(tmp_path):
    whole = gzip.compress(TEXT.encode())
    for content, cause in (
        (whole[:-12], "is a damaged gzip file"),
        (TEXT.encode(), "is a damaged gzip file"),
        (whole[:30] + bytes(30) + whole[60:], "is a damaged gzip file"),
        (gzip.compress(b"0," * 2**22), "is 200 times as long when it is unpacked: unpack it with gunzip first"),
    ):
        (tmp_path / "mine.csv.gz").write_bytes(content)
        refused(lambda: tables.read(tmp_path / "mine.csv.gz"), cause, memory=2**23)


# -- the header --------------------------------------------------------------------------------------------

YEARS = np.arange(2001, 2007)


def with_first(row, x):
    return "\n".join(",".join(map(str, values)) for values in [row, *x.tolist()])


@pytest.mark.parametrize(
    "text",
    [
        with_first(YEARS, WIDE),  # in order
        with_first([7, 3, 8, 1, 12, 5], WIDE),  # different whole numbers above decimals
        with_first([400, 500, 430], REAL.round()),  # far away
        with_first([10, 20, 30], GREY[:, 0, :3]),
        "0,1,2\n" + "\n".join(",".join(map(str, row)) for row in GREY[:, 0, :3].tolist()),
    ],
)
def test_numbers_that_may_be_names_are_noted_and_the_option_says_what_they_are(text, load):
    table, notes = load("mine.csv", text)
    assert table.columns == ()
    assert "is unlike the others, and is read as an example: if it names the columns, add --header yes" in notes
    table_yes, notes_yes = load("mine.csv", text, header="yes")
    assert table_yes.columns == tuple(text.split("\n")[0].split(","))
    np.testing.assert_array_equal(table_yes.x, table.x[1:])
    table_no, notes_no = load("mine.csv", text, header="no")
    np.testing.assert_array_equal(table_no.x, table.x)
    assert (notes_yes, notes_no) == ("", "")


def test_the_option_answers_the_note_on_numbered_names(load):
    table, notes = load("mine.csv", numbered(WIDE), header="no")
    np.testing.assert_array_equal(table.x, [range(6), *WIDE])
    assert (table.columns, notes) == ((), "")
    repeated = "1,2\n3.5,4.5\n1,2\n"  # the third row is an example that is equal to the header
    assert load("mine.csv", repeated, header="yes")[0].x.tolist() == [[3.5, 4.5], [1, 2]]


def test_only_text_has_a_header(tmp_path, saved):
    path = saved(REAL)
    refused(lambda: datasets.load(path, header="yes"), "has no header, as no .npy file does")
    refused(lambda: datasets.load("iris", header="yes"), "'iris' has its own columns")
    with pytest.raises(ValueError, match="header must be one of 'auto', 'yes', 'no', got True"):
        datasets.load(path, header=True)


# -- containers --------------------------------------------------------------------------------------------

SPLIT = {"X_train": WIDE[:30], "X_test": WIDE[30:], "y_train": np.arange(30) % 3, "y_test": np.arange(10) % 3}
IMAGES = {"train_images": GREY[:15], "test_images": GREY[15:], "train_labels": np.full((15, 1), 4, np.uint8)}
IMAGES |= {"test_labels": np.full((5, 1), 2, np.uint8)}


@pytest.mark.parametrize("arrays", [SPLIT, {re.sub(r"^(.)_(.*)$", r"\2_\1", name): x for name, x in SPLIT.items()}])
def test_names_of_the_two_parts_may_be_those_of_scikit_learn_and_keras(arrays, load):
    table, notes = load("mine.npz", arrays)
    np.testing.assert_array_equal(table.x, WIDE)
    assert (table.train_rows, table.labels.tolist(), notes) == (30, [*(np.arange(30) % 3), *(np.arange(10) % 3)], "")


def test_images_with_a_split_may_have_labels_in_a_column(load):
    table, _ = load("mine.npz", IMAGES)
    np.testing.assert_array_equal(table.x, GREY.reshape(20, 64))
    assert (table.train_rows, table.image_shape, table.labels.tolist()) == (15, (8, 8), [4] * 15 + [2] * 5)
    table, _ = load("mine.npz", {"pixels": GREY, "y": np.arange(20).reshape(20, 1) % 2})  # y is no second candidate
    assert (table.image_shape, table.labels.tolist()) == ((8, 8), [0, 1] * 10)


@pytest.mark.parametrize("axis", [1, -1])
def test_images_of_one_channel_are_images(axis, load):
    x = np.expand_dims(GREY, axis)
    for name, content in (("a.npy", x), ("b.npz", {"x": x}), ("c.npz", {"pixels": x, "y": np.arange(20)[:, None]})):
        table, _ = load(name, content)
        np.testing.assert_array_equal(table.x, GREY.reshape(20, 64))
        assert table.image_shape == (8, 8)


def python_in(message):
    """The code that a message offers."""
    return message[message.index("import ") :]


@pytest.mark.parametrize("colours", [3, 4])
@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("name", ["colour.npy", "colour.npz"])
def test_colour_images_are_refused_with_python_that_makes_them_grey(name, axis, colours, tmp_path, monkeypatch, saved):
    monkeypatch.chdir(tmp_path)
    x = np.stack([GREY, GREY // 2, GREY // 4] + [np.full_like(GREY, 255)] * (colours - 3), axis)
    np.save(name, x) if name.endswith(".npy") else np.savez(name, x=x)
    message = refused(lambda: tables.read(name), "holds colour images", "Two lines of Python make them grey")
    exec(python_in(message), {})
    table = tables.read("grey.npy")
    assert table.image_shape == (8, 8)
    expected = np.stack([GREY, GREY // 2, GREY // 4]).mean(axis=0).astype(np.uint8).reshape(20, 64)
    np.testing.assert_array_equal(table.x, expected)


def test_a_folder_of_images_is_refused_with_python_that_makes_a_file(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    os.mkdir("my [pictures]")
    for number, image in enumerate(GREY):
        Image.fromarray(np.stack([image] * 3, axis=-1)).resize((40, 30)).save(f"my [pictures]/{number:02}.png")
    message = refused(lambda: datasets.load("my [pictures]"), "is a folder", "Two lines of Python")
    exec(python_in(message), {})
    table = tables.read("pictures.npy")
    assert (table.x.shape, table.image_shape) == ((20, 28 * 28), (28, 28))
    os.mkdir("empty")
    assert "Python" not in refused(lambda: datasets.load("empty"), "is a folder")


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", ["float64", "uint16"])
def test_a_sparse_matrix_of_scipy_is_read(kind, dtype, tmp_path):
    import scipy.sparse

    matrix = scipy.sparse.random(50, 20, 0.1, format=kind, random_state=0) * 9
    scipy.sparse.save_npz(tmp_path / "sparse.npz", matrix.astype(dtype).asformat(kind))
    table = tables.read(tmp_path / "sparse.npz")
    np.testing.assert_array_equal(table.x, matrix.astype(dtype).toarray())
    assert table.x.any()


def sparse(**changed):
    """The parts of a small sparse matrix, some of them changed."""
    parts = {"data": np.ones(2), "indices": np.array([0, 2]), "indptr": np.array([0, 1, 2]), "shape": np.array([2, 3])}
    return parts | {"format": np.array(b"csr")} | changed


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"shape": np.array([2, 2**40])}, "sparse matrix of shape (2, 1099511627776), and a model needs all values"),
        ({"shape": np.array([2**13, 2**15])}, "of shape (8192, 32768), and a model needs all values, at most 134217"),
        ({"format": np.array(b"bsr")}, "in the format 'bsr': save it as matrix.tocsr()"),
        ({"indices": np.array([0, 3])}, "is damaged"),
        ({"indices": np.array([0, -1])}, "is damaged"),
        ({"indices": np.array([0])}, "is damaged"),
        ({"indptr": np.array([0, 2**60, 2])}, "is damaged"),
        ({"indptr": np.array([0, 2])}, "is damaged"),
        ({"indptr": np.array([], int)}, "is damaged"),
        ({"indices": np.array([0.0, 2.0])}, "is damaged"),
        ({"shape": np.array([0, 3])}, "has 0 examples"),
        ({"data": np.ones(2, complex)}, "must hold real numbers"),
    ],
)  # fmt: skip
def test_a_sparse_matrix_that_is_damaged_or_too_large_is_refused(changed, cause, tmp_path):
    np.savez(tmp_path / "sparse.npz", **sparse(**changed))
    refused(lambda: tables.read(tmp_path / "sparse.npz"), "sparse.npz'", cause, memory=2**20)


@pytest.mark.parametrize("x", [GREY, REAL.astype(">f8"), np.asfortranarray(REAL), REAL.astype("float16")])
def test_what_is_converted_is_read_and_not_mapped(x, saved, monkeypatch):
    """A file that is cut short while it is mapped ends the process."""
    path = saved(x)
    monkeypatch.setattr(np, "load", lambda *_a, **_o: pytest.fail("mapped"))
    np.testing.assert_array_equal(tables.read(path).x, x.reshape(len(x), -1))


def test_a_file_cut_short_while_it_is_read_is_refused(saved, monkeypatch):
    path = saved(GREY)
    read_array = np.lib.format.read_array

    def cut(file, **options):
        os.truncate(path, 700)
        return read_array(file, **options)

    monkeypatch.setattr(np.lib.format, "read_array", cut)
    refused(lambda: tables.read(path), "was cut short while it was read")


# -- columns that are no features --------------------------------------------------------------------------

FLOWERS = "Id,a,b,c,Species\n" + "\n".join(f"{k + 1},{row},{'rose' if k % 2 else 'iris'}" for k, row in enumerate(ROWS))


@pytest.mark.parametrize("drop", [["Id"], ["0"], [0], (-5,)])
def test_a_number_of_the_row_is_noted_and_the_note_names_the_option(drop, load):
    table, notes = load("mine.csv", FLOWERS, "Species")
    assert "column Id holds 1, 2, 3, ... in order" in notes
    assert notes.endswith("leave it out with --drop Id")
    assert table.columns == ("Id", *ABC)
    table, notes = load("mine.csv", FLOWERS, "Species", drop=drop)
    np.testing.assert_array_equal(table.x, REAL)
    assert (table.columns, table.labels.tolist(), notes) == (ABC, [1 - (k + 1) % 2 for k in range(40)], "")


def test_columns_of_text_can_be_dropped_and_those_without_names_have_the_numbers_of_the_file(load, tmp_path):
    table, _ = load("mine.csv", FLOWERS, drop=["Species", "Id"])
    np.testing.assert_array_equal(table.x, REAL)
    text = "\n".join(f"x{k % 2},{5 * k},{row}" for k, row in enumerate(ROWS))
    table, notes = load("mine.csv", text, 0)
    assert notes.endswith("column 1 holds 0, 5, 10, ... in order, as a number of the row or a clock does, and will be "
                          "trained on: leave it out with --drop 1")  # fmt: skip
    table, notes = load("mine.csv", text, 0, drop=["1"])
    np.testing.assert_array_equal(table.x, REAL)
    assert notes == ""
    message = refused(lambda: tables.read(tmp_path / "mine.csv"), "row 1, column 1: 'x0' is not a number")
    assert "with --drop 0" in message


def test_columns_of_arrays_can_be_dropped_by_number(load):
    for name, content in (("mine.npy", np.c_[np.arange(40), REAL]), ("mine.npz", {"x": np.c_[np.arange(40), REAL]})):
        assert "column 0 holds 0, 1, 2, ... in order" in load(name, content)[1]
        table, notes = load(name, content, drop=["0"])
        np.testing.assert_array_equal(table.x, REAL)
        assert notes == ""


def test_columns_that_cannot_be_dropped_are_refused(tmp_path, saved):
    (tmp_path / "mine.csv").write_text(FLOWERS)
    for drop, cause in (
        (["id"], "has no column 'id': its 5 columns, numbered from 0, are 'Id', 'a', 'b', 'c', 'Species'"),
        (["5"], "has no column '5'"),
        (["Id", *ABC], "has no column but those that are dropped"),
    ):
        refused(lambda drop=drop: datasets.load(tmp_path / "mine.csv", "Species", drop=drop), cause)
    refused(lambda: datasets.load(saved(REAL), drop=["a"]), "has no column 'a': its 3 columns")
    refused(lambda: datasets.load(saved(REAL), drop=[0, 1, 2]), "no column but those that are dropped")
    refused(lambda: datasets.load(saved(GREY), drop=[0]), "holds images: pixels are not to be dropped")
    refused(lambda: datasets.load("iris", drop=[0]), "'iris' has its own columns")
    with pytest.raises(TypeError, match="drop must be a sequence"):
        datasets.load(tmp_path / "mine.csv", drop="Id")


def test_the_clock_keeps_its_values_and_is_noted(load):
    clock = np.stack([1_700_000_000 + 7 * np.arange(200), np.arange(200) ** 2 % 97], axis=1)
    table, notes = load("clock.npy", clock)
    assert table.x.tolist() == clock.tolist()
    assert "column 0 holds 1700000000, 1700000007, 1700000014, ... in order" in notes


@pytest.mark.parametrize("values", [np.round(RANDOM.normal(size=150), 1) + 0.0, RANDOM.permutation(150)])
def test_labels_that_are_a_quantity_are_noted(values, load):
    text = "a,b\n" + "\n".join(f"{k % 7},{value}" for k, value in enumerate(values.tolist()))
    table, notes = load("mine.csv", text, "b")
    assert f"the labels are {len(np.unique(values))} classes among 150 rows, which is rather a quantity" in notes
    assert [float(table.label_names[k]) if table.label_names else k for k in table.labels] == values.tolist()


def test_a_label_longer_than_any_name_is_refused_with_its_cell(tmp_path):
    path = tmp_path / "mine.csv"
    for length in (1000, 1001, 100_000):
        path.write_text(f"a,kind\n1,x\n2,{'y' * length}\n")
        if length == 1000:
            assert tables.read(path, "kind").label_names == ("x", "y" * 1000)
        else:
            refused(
                lambda: tables.read(path, "kind"), f"row 3, column 2 (kind) has {length} characters: a label is the"
            )
    np.savez(tmp_path / "mine.npz", x=REAL[:2], y=np.array(["x", "y" * 1001]))
    assert tables.read(tmp_path / "mine.npz").labels is None
    refused(lambda: tables.read(tmp_path / "mine.npz", "y"), "one whole number or text", "at most 1000 characters")


# -- healthy data ------------------------------------------------------------------------------------------

SPECIES = ("Adelie", "Gentoo", "Chinstrap")


def penguins():
    """A table like the penguins of Palmer station: texts in three columns, whole numbers, a year."""
    lines = ["species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year"]
    for k in range(120):
        bill, depth = RANDOM.normal(44, 5), RANDOM.normal(17, 2)
        whole = f"{RANDOM.integers(170, 230)},{25 * RANDOM.integers(110, 250)}"
        lines.append(f"{SPECIES[k // 40]},Dream,{bill:.1f},{depth:.1f},{whole},male,{2007 + k % 40 // 14}")
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("labels", [None, -1])
def test_healthy_data_get_no_note(name, header, labels, load):
    import sklearn.datasets

    bunch = getattr(sklearn.datasets, f"load_{name}")()
    rows = np.c_[bunch.data, bunch.target].tolist()
    names = [",".join([*map(str, bunch.feature_names), "target"])] * header
    table, notes = load(
        "mine.csv", "\n".join([*names, *(",".join(f"{v:g}" for v in row) for row in rows)]), labels, healthy=True
    )
    assert notes == ""
    assert len(table.x) == len(bunch.data)


def test_healthy_penguins_digits_and_named_sets_get_no_note(load, recwarn):
    table, notes = load("penguins.csv", penguins(), "species", drop=["island", "sex"], healthy=True)
    assert (notes, table.x.shape, table.label_names) == ("", (120, 5), tuple(sorted(SPECIES)))
    for name, content in (("digits.npy", GREY), ("digits.npz", {"x": GREY, "y": np.arange(20) % 10})):
        assert load(name, content, healthy=True)[1] == ""
    for name in ("digits", "iris", "wine"):
        datasets.load(name)
    onehot = np.eye(3, dtype=int)[RANDOM.integers(0, 3, 60)]
    assert (
        load("onehot.csv", "red,green,blue\n" + "\n".join(",".join(map(str, row)) for row in onehot.tolist()))[1] == ""
    )
    assert not recwarn.list


@pytest.mark.peers
@pytest.mark.skipif("MINIVAE_DATA" not in os.environ, reason="MINIVAE_DATA names no folder with the MNIST files")
def test_mnist_gets_no_note(recwarn):
    datasets.load("mnist")
    assert not recwarn.list


def test_a_note_survives_the_way_to_another_process():
    note = DataNote("index", "the first column looks like an index", "--drop")
    copy = pickle.loads(pickle.dumps(note))
    assert (str(copy), copy.note) == ("the first column looks like an index", note.note)
