"""What a table's columns are, that tables go into a matrix and come back as they were, and what is refused."""

import json

import numpy as np
import pytest

from minivae import Columns, DataError

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.peers
N = 60
R = np.random.default_rng(0)


def frame():
    """Each kind of column, and each dtype that pandas has for it, with holes where the dtype can say so."""
    table = pd.DataFrame(
        {
            "id": np.arange(N) + 7,
            "species": R.choice(["Adelie", "Gentoo", "Chinstrap"], N),
            "sex": R.choice(["male", "female"], N),
            "length": R.normal(40, 3, N),
            "visits": R.poisson(2, N),
            "price": np.exp(R.normal(0, 2, N)),
            "ok": R.random(N) > 0.5,
            "flag": R.integers(0, 2, N),
            "grade": pd.Categorical(R.choice(["low", "high"], N), ["low", "mid", "high"], ordered=True),
            "mass": R.integers(2000, 6000, N).astype(float),
            "age": pd.array(R.integers(20, 90, N), dtype="Int64"),
            "same": 3.5,
        }
    )
    for row, name in enumerate(["species", "sex", "length", "grade", "mass", "age"]):
        table.loc[row, name] = None
    return table


def test_kinds_are_guessed_and_the_table_says_so():
    columns = Columns.of(frame(), {"id": "drop"})
    assert {column.name: column.kind for column in columns.columns} == {
        "id": "drop", "species": "category", "sex": "binary", "length": "real", "visits": "count", "price": "positive",
        "ok": "binary", "flag": "binary", "grade": "category", "mass": "real", "age": "real", "same": "real",
    }  # fmt: skip
    lines = str(columns).splitlines()
    assert lines[0].split() == ["column", "kind", "range", "or", "levels", "missing", "decided", "by"]
    assert lines[1].split() == ["id", "drop", "0", "you"]
    assert lines[2].split() == ["species", "category", "'Adelie',", "'Chinstrap',", "'Gentoo'", "1", "guess"]
    assert "always the same, nothing to learn: drop it?" in lines[12]
    assert "of an id: drop it?" in str(Columns.of(frame()))
    assert "of an id: drop it?" not in str(Columns.of(frame(), {"id": "real"}))  # you know better
    assert columns.width == 15 == len(columns.names)
    assert columns.parts[:3] == (("categorical", 3), ("bernoulli", 1), ("gaussian", 1))
    assert columns.parts[5:] == (("bernoulli", 2), ("categorical", 3), ("gaussian", 3))


def test_a_frame_comes_back_with_its_columns_dtypes_order_and_holes():
    table = frame().set_index(pd.Index(range(100, 100 + N)))
    columns = Columns.of(table, {"id": "drop"})
    columns = Columns.from_config(json.loads(json.dumps(columns.config())))
    shuffled = table[table.columns[::-1]]
    x = columns.encode(shuffled)
    np.testing.assert_array_equal(x, columns.encode(table))
    assert np.isnan(x).sum() == 3 + 1 + 1 + 3 + 1 + 1
    np.testing.assert_array_equal(np.nansum(x[:, :3], axis=1), [0] + [1] * (N - 1))
    pd.testing.assert_frame_equal(columns.decode(x, table), table)
    pd.testing.assert_frame_equal(columns.decode(x, shuffled), shuffled)
    new = columns.decode(columns.encode(table.drop(columns="id"))[10:12])
    assert [*new.columns] == [*table.columns[1:]]
    assert [*new.dtypes] == [*table.dtypes[1:]]


def test_what_was_observed_is_kept_and_holes_are_filled_in_the_units_of_the_column():
    table = frame()
    columns = Columns.of(table, {"id": "drop"})
    x = columns.encode(table)
    guess = np.where(np.isnan(x), 0.4, x + 0.1)
    guess[0, :3], guess[4, columns.names.index("mass")] = [0.2, 0.3, 0.5], 4000.4
    filled = columns.decode(guess, table, fill=True)
    assert not filled.isna().any().any()
    assert (filled.species[0], filled.sex[1], filled.length[2], filled.mass[4]) == ("Gentoo", "female", 0.4, 4000)
    pd.testing.assert_frame_equal(filled.where(table.notna()), table, check_dtype=False)


def test_arrays_by_name_need_no_pandas():
    table = {"a": np.array([1.5, np.nan, 2.5]), "b": np.array(["x", "y", "x"]), "n": np.array([0, 3, 1])}
    columns = Columns.of(table)
    back = columns.decode(columns.encode(table))
    for name, values in table.items():
        np.testing.assert_array_equal(back[name], values)
        assert back[name].dtype == values.dtype
    assert columns.config()["is_pandas"] is False


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ([0, 1, 1, 0], "binary"),
        ([0, 1, 2, 0], "count"),
        ([1, 2, 3, 1], "real"),  # a rating
        ([0, 1, 101, 5], "real"),
        ([0, 1, 2, -1], "real"),
        ([0, 1, 2, 0.5], "real"),
        ([2007, 2008, 2009, 2007], "real"),
        (np.arange(30), "real"),
        (np.exp(np.tan(np.linspace(-1.2, 1.2, 50))), "positive"),
        (np.exp(np.linspace(-1, 1, 50)), "real"),
        (-np.exp(np.linspace(-4, 4, 50)), "real"),
    ],
)
def test_numbers_are_real_unless_there_is_good_reason(numbers, kind):
    assert Columns.of({"n": np.array(numbers)}).columns[0].kind == kind


def test_a_table_of_numbers_without_holes_is_plain_until_something_is_asked_of_it():
    table = {"a": np.arange(9.0), "b": np.tile([0, 1, 2], 3)}
    assert Columns.of(table).is_plain
    assert Columns.of(table, {"a": "drop"}).is_plain
    assert not Columns.of(table, {"b": "count"}).is_plain
    assert not Columns.of(table | {"a": np.where(table["a"] == 2, np.nan, table["a"])}).is_plain
    assert not Columns.of(table | {"b": np.array(list("xyz") * 3)}).is_plain
    assert not Columns.of(table | {"b": np.array(list("xyxyxyxyx"))}).is_plain


MANY = np.arange(30000) % 10000
BAD = {
    "spelt twice": (["Male", "male ", "x"], None, "'a' spells one level in two ways, 'Male' and 'male '"),
    "10,000 levels": ([f"u{k}" for k in MANY], None, "'a' holds 10000 different values in 30000 rows"),
    "10,000 levels, asked": (MANY, "category", "leave it out with --drop a (in Python {'a': 'drop'}), or put the rare"),
    "free text": ([f"remark {k}" for k in range(50)], None, "as names or free text do: leave it out with --drop a"),
    "dates": (["2020-01-31", "2020-02-01"], None, "'a' holds dates, such as '2020-01-31'"),
    "dates of NumPy": (np.array(["2020-01-31"], "M8[D]"), None, "leave it out with --drop a"),
    "nothing": ([np.nan, np.nan], None, "'a' is empty in all 2 rows: leave it out with --drop a"),
    "mixed": (np.array([1, 2.5, "x"], object), None, "'a', row 2: 'x' is a text in a column of another kind, number"),
    "infinity": ([1.0, np.inf], None, "'a', row 1: a column of kind 'real' holds finite numbers, got inf"),
    "negative count": ([3, -1, 2], "count", "'a', row 1: a column of kind 'count' holds 0, 1, 2, ..., got -1: correct"),
    "half a count": ([3, 0.5, 2], "count", "got 0.5"),
    "zero": ([3, 0, 2], "positive", "'a', row 1: a column of kind 'positive' holds numbers above 0, got 0"),
    "texts as numbers": (["x", "y"], "real", "got 'x': correct it, leave it empty if it is missing, or train with"),
    "three of two": (["x", "y", "z"], "binary", "'a' has the levels 'x', 'y', 'z': a binary one has two"),
    "no such kind": ([1, 2], "number", "'a' cannot be 'number': expected one of real, positive, count, binary"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_trained_is_refused_in_one_sentence_with_an_option_that_works(case):
    values, kind, words = BAD[case]
    with pytest.raises(DataError) as caught:
        Columns.of({"a": values, "other": np.arange(len(values))}, {"a": kind} if kind else {})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert Columns.of({"a": values, "other": np.arange(len(values))}, {"a": "drop"}).width == 1


def test_new_rows_must_have_the_columns_and_the_levels_of_training():
    table = frame()
    columns = Columns.of(table, {"id": "drop", "visits": "count"})
    for change, words in (
        (
            lambda t: t.assign(species="Mars"),
            "row 0: training saw no level 'Mars' of 'species': expected 'Adelie', 'Chin",
        ),
        (lambda t: t.assign(visits=-1), "row 0: a column of kind 'count' holds 0, 1, 2, ..., got -1"),
        (lambda t: t.assign(length="long"), "got 'long'"),
        (lambda t: t.drop(columns="sex"), "the table has no column 'sex'"),
        (lambda t: t.assign(more=1), "the table has a column 'more'"),
    ):
        with pytest.raises(DataError) as caught:
            columns.encode(change(table))
        assert words in str(caught.value)
    with pytest.raises(TypeError, match="expected a DataFrame or a mapping of names to arrays, got ndarray"):
        columns.encode(np.zeros((3, 15)))
    with pytest.raises(DataError, match="no column but those that are dropped"):
        Columns.of({"a": [1, 2]}, {"a": "drop"})
    with pytest.raises(DataError, match="there is no column 'b': expected one of 'a'"):
        Columns.of({"a": [1, 2]}, {"b": "drop"})


def test_a_configuration_that_is_none_is_refused():
    good = Columns.of(frame()).config()
    for change in ({"kind": "x"}, {"levels": []}, {"levels": ["a"]}, {"more": 1}, {"name": None}, {"levels": 3}):
        for place in (1, 2):
            broken = json.loads(json.dumps(good))
            broken["columns"][place] |= change
            if change == {"levels": ["a"]} and place == 1:
                continue  # a category may have one level
            with pytest.raises((TypeError, ValueError, KeyError)):
                Columns.from_config(broken)
