"""Text files with categories, counts and holes: what is read, what stays as it was, and what is refused."""

import re

import numpy as np
import pytest
from test_tables import refused

from minivae import DataError, datasets
from minivae.datasets import mixed, tables
from minivae.runs.settings import Settings

TEXT = """name,island,length,sex,visits,code
a,Biscoe,39.10,male,0,007
b,Dream,NA,female,3,012
c,Biscoe,40.2,,1,007
d,Dream,38.6,male,2,007
"""


@pytest.fixture
def written(tmp_path):
    """A function that writes a text and returns the path."""

    def write(text, name="new.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


def test_a_mixed_file_with_holes_becomes_a_matrix(written):
    table = mixed.read(written(TEXT), drop=["name"], columns={"code": "category"})
    assert table.columns == ("island", "length", "sex", "visits", "code=007", "code=012")
    expected = [[0, 39.1, 1, 0, 1, 0], [1, np.nan, 0, 3, 0, 1], [0, 40.2, np.nan, 1, 1, 0], [1, 38.6, 1, 2, 1, 0]]
    np.testing.assert_array_equal(table.x, expected)
    assert [column.kind for column in table.schema.columns] == ["drop", "binary", "real", "binary", "count", "category"]
    assert not table.schema.is_plain


@pytest.mark.parametrize("kinds", [{"name": "drop"}, {"0": "drop", "code": "drop"}])
def test_drop_is_a_kind(kinds, written):
    path = written(TEXT)
    found = mixed.read(path, columns=kinds)
    same = mixed.read(path, drop=[*kinds], columns={})
    np.testing.assert_array_equal(found.x, same.x)
    assert found.schema.config() == same.schema.config()


TWICE = [
    (["a=real", "a=positive"], {}, "--columns a=real,a=positive gives a column two kinds"),
    (["a=real", "0=positive"], {}, "column 'a' cannot be both 'real' and 'positive': say one of them"),
    (["a=real"], {"drop": ("0",)}, "column 'a' cannot be both 'real' and 'drop'"),
    (["kind=category"], {"labels": "kind"}, "column 'kind' holds labels or groups, which have no kind"),
    (["kind=category"], {"groups": "kind"}, "column 'kind' holds labels or groups, which have no kind"),
]


@pytest.mark.parametrize(("columns", "more", "words"), TWICE)
def test_what_is_asked_of_a_column_is_obeyed_or_refused(columns, more, words, written):
    """Of two kinds the last one was taken, without a word; and none, of labels and of columns to drop."""
    path = written("a,b,kind\n" + "".join(f"{k + 1},{k * 0.37},{'xy'[k % 2]}\n" for k in range(40)))
    settings = Settings(data=str(path), columns=tuple(columns), **more)
    with pytest.raises(ValueError, match=re.escape(words)):
        datasets.load(path, **settings.source())


def test_a_wish_said_twice_and_a_drop_of_the_labels_are_fine(written):
    path = written("a,b,kind\n" + "".join(f"{k + 1},{k * 0.37},{'xy'[k % 2]}\n" for k in range(40)))
    settings = Settings(columns=("a=positive", "a=positive", "kind=drop"), labels="kind")
    data = datasets.load(path, **settings.source())
    assert [(c.name, c.kind) for c in data.schema.kept] == [("a", "positive"), ("b", "real")]
    assert len(np.unique(data.train_labels)) == 2


def test_labels_are_no_part_of_the_matrix_and_new_files_may_have_them_or_not(written):
    path = written(TEXT)
    table = mixed.read(path, labels="island", drop=["name"])
    assert (table.labels.tolist(), table.label_names) == ([0, 1, 0, 1], ("Biscoe", "Dream"))
    assert "island" not in table.columns
    again = mixed.read(path, columns=table.schema)
    np.testing.assert_array_equal(again.x, table.x)
    short = "visits,code,sex,length\n5,7,female,1\n"
    np.testing.assert_array_equal(mixed.read(written(short), columns=table.schema).x, [[1, 0, 5, 7]])
    texts = "visits,code,sex,length\n,,female,\n"  # the columns' names say what the first row is
    np.testing.assert_array_equal(mixed.read(written(texts), columns=table.schema).x, [[np.nan, 0, np.nan, np.nan]])


def test_a_file_of_numbers_is_read_as_ever_and_says_that_it_is_plain(written):
    path = written("id,a,b,kind\n1,0,2.5,x\n2,1,-3.25,y\n3,2,1e-3,x\n")
    for drop, columns in ((["id"], {}), ([], {"id": "drop"})):
        table, strict = mixed.read(path, "kind", drop=drop, columns=columns), tables.read(path, "kind", drop=["id"])
        np.testing.assert_array_equal(table.x, strict.x)
        assert (table.columns, table.labels.tolist(), table.places) == (("a", "b"), [0, 1, 0], (1, 2))
        assert table.schema.is_plain
        assert [column.kind for column in table.schema.columns] == ["real", "real", "drop", "drop"]
    assert not mixed.read(path, "kind", drop=["id"], columns={"a": "count"}).schema.is_plain


def test_without_columns_a_data_set_is_numbers_only(written):
    with pytest.raises(DataError, match=r"row 2, column 1 \(name\)"):
        datasets.load(written(TEXT))
    data = datasets.load(written(TEXT), columns={}, drop=["name"])
    assert data.train.shape == (3, 5)
    assert np.isnan(data.train).sum() + np.isnan(data.test).sum() == 2
    assert data.value_range == (0, 40.2)
    with pytest.raises(DataError, match="its own columns"):
        datasets.load("iris", columns={"a": "count"})


def test_a_test_file_is_read_with_the_levels_of_the_first(written):
    path, other = written(TEXT), written(TEXT.splitlines()[0] + "\nz,Dream,1,male,0,7\n", "other.csv")
    data = datasets.load(path, columns={"name": "drop"}, test=other)
    np.testing.assert_array_equal(data.test, [[1, 1, 1, 0, 7]])
    with pytest.raises(DataError, match=r"row 2, column 2 \(island\): training saw no level 'Mars' of 'island'"):
        datasets.load(path, columns={"name": "drop"}, test=written(TEXT.replace("Biscoe", "Mars"), "mars.csv"))


BAD = {
    "a text among numbers": (TEXT.replace("40.2", "4O.2"), {}, "row 4, column 3 (length): '4O.2' is not a number"),
    "a number among texts": (
        TEXT.replace("Dream", "5", 1),
        {},
        "row 3, column 2 (island): 5.0 is a number in a column of another kind, text",
    ),
    "decimal commas": (TEXT.replace(",39.10,", ',"39,10",'), {}, "column 3 (length): '39,10' has a decimal comma"),
    "all decimal commas": ('a,b\nx,"1,5"\ny,"2,5"\n', {}, "column 2 (b): '1,5' has a decimal comma"),
    "per cent": ("a,b,c\nx,5%,1\ny,6%,2\n", {}, "column 2 (b): '5%' has a sign"),
    "infinity": (TEXT.replace("40.2", "inf"), {}, "row 4, column 3 (length): a column of kind 'real' holds finite"),
    "negative count": (
        TEXT.replace(",3,", ",-3,"),
        {"visits": "count"},
        "row 3, column 5 (visits): a column of kind 'co",
    ),
    "dates": ("when,b\n2020-01-31,1\n2020-02-01,2\n", {}, "'when' holds dates, such as '2020-01-31', which no kind"),
    "nothing": ("a,b\n1,\n2,NA\n", {}, "column 'b' is empty in all 2 rows: leave it out with --drop b"),
    "a row of holes": ("id,a,b\nr,1,2\ns,,NA\n", {"id": "drop"}, "row 3 holds no value but in columns"),
    "a name of two words": ("tree id,b\n,1\nNA,2\n", {}, "leave it out with --drop 'tree id' (in Python {'tree id': "),
    "spelt twice": (TEXT.replace("female", "Male"), {}, "column 'sex' spells one level in two ways, 'Male' and 'male'"),
    "ragged": (TEXT + "e,Dream\n", {}, "row 6 has 2 cells, but the first has 6"),
    "two of one name": ("a,a,b\n1,x,2\n2,y,\n", {"a": "drop"}, "has 2 columns called 'a': give the number of one"),
    "unknown": (TEXT, {"colour": "drop"}, "has no column 'colour'"),
    "no header?": (
        "red,small\nblue,large\nred,large\n",
        {},
        "the first row may name the columns or be an example: say",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_cells_are_refused_with_their_place(case, written):
    text, kinds, words = BAD[case]
    kinds = kinds | ({"name": "drop"} if "name" in text else {})
    refused(lambda: mixed.read(written(text), columns=kinds), words)


def test_a_table_of_categories_alone_needs_the_word_of_its_owner(written):
    path = written("colour,size\nred,small\nblue,large\nred,large\n")
    assert len(mixed.read(path, header="yes").x) == 3
    assert len(mixed.read(path, header="no").x) == 4
    assert mixed.read(path, columns={"size": "category"}).columns == ("colour", "size=large", "size=small")


def test_what_was_read_is_written_as_it_stood(written, tmp_path):
    path = written(TEXT)
    table = mixed.read(path, drop=["name"], columns={"code": "category"})
    frame = mixed.read_frame(path, None, "auto", {}, (), table.schema)[0]
    x = np.where(np.isnan(table.x), 0.75, table.x)
    filled = mixed.as_texts(table.schema.decode(x, frame, fill=True), frame, fill=True)
    mixed.write(tmp_path / "out.csv", filled)
    expected = TEXT.replace("NA", "0.75").replace("40.2,,", "40.2,male,")
    assert (tmp_path / "out.csv").read_bytes().decode().replace("\r\n", "\n") == expected
    again = mixed.as_texts(table.schema.decode(x, frame), frame)
    assert (again["name"], again["length"], again["code"][0]) == (
        ["a", "b", "c", "d"],
        ["39.1", "0.75", "40.2", "38.6"],
        "007",
    )
