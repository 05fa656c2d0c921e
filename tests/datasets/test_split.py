"""What is held out was not trained on: equal rows, groups and neighbours stay together, or are pointed out."""

import warnings

import numpy as np
import pytest
from sklearn import datasets as sklearn_datasets

from minivae import DataError, datasets
from minivae.backend import permutation
from minivae.datasets.notes import note_dependence
from minivae.datasets.split import held_out


def rows_of(x):
    return {row.tobytes() for row in np.ascontiguousarray(x)}


def test_rows_that_are_all_different_are_drawn_as_they_always_were():
    x = np.random.default_rng(0).normal(size=(57, 3))
    np.testing.assert_array_equal(held_out(x, 5), np.sort(permutation(seed=0, epoch=0, n=57)[:5]))
    assert held_out(x, 5).tolist() != held_out(x, 5, epoch=1).tolist()


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_equal_rows_stay_on_one_side(zero):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(100, 2))[rng.integers(0, 100, 1000)]
    x[x[:, 0] > 0.5, 1] = zero
    test = held_out(x, 100)
    train = np.setdiff1d(np.arange(1000), test)
    assert 100 <= len(test) < 160
    assert rows_of(x[test] + 0.0).isdisjoint(rows_of(x[train] + 0.0))


def test_groups_stay_on_one_side():
    groups = np.repeat(np.arange(30), 4)
    test = held_out(np.random.default_rng(0).normal(size=(120, 2)), 12, groups=groups)
    assert set(groups[test]).isdisjoint(np.delete(groups, test))
    assert len(test) == 12


def test_rows_that_are_all_equal_leave_nothing_to_train_on():
    with pytest.raises(DataError, match="all 9 rows are equal: none is left to train on"):
        held_out(np.full((9, 2), 0.5), 1)


@pytest.mark.parametrize("name", ["digits", "iris", "wine"])
def test_no_row_of_a_bundled_test_set_is_in_its_training_set(name):
    data = datasets.load(name)
    assert rows_of(data.train).isdisjoint(rows_of(data.test))


def series(rng):
    walk = np.convolve(rng.normal(size=600), np.ones(8), "valid")
    return np.lib.stride_tricks.sliding_window_view(walk, 20)


def oversampled(rng):
    return rng.normal(size=(100, 6))[rng.integers(0, 100, 1000)]


def jittered(rng):
    x = rng.normal(size=(200, 6))
    return np.concatenate([x, x + 1e-4 * rng.normal(size=x.shape)])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (oversampled, "900 of 1000 rows are equal to an earlier one"),
        (jittered, "400 of 400 rows are nearly equal to another"),
        (series, "each row is much closer to the next one than to others.*--holdout last"),
        (lambda rng: rng.normal(size=(500, 5)).cumsum(axis=0), "each row is much closer to the next one"),
    ],
)
def test_rows_that_are_no_independent_examples_are_noted(make, sentence, tmp_path):
    np.save(tmp_path / "x.npy", make(np.random.default_rng(0)))
    with pytest.warns(UserWarning, match=sentence):
        datasets.load(tmp_path / "x.npy")
    with warnings.catch_warnings(action="error"):
        datasets.load(tmp_path / "x.npy", holdout="last")


def test_rows_of_few_possible_values_coincide_by_chance_and_are_no_copies():
    x = np.eye(3)[np.random.default_rng(0).integers(0, 3, 300)]
    assert len(held_out(x, 30)) == 30
    assert list(note_dependence(x)) == []


def test_beside_categories_two_numbers_are_close_by_chance():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=(300, 2)), np.eye(3)[rng.integers(0, 3, 300)]])
    assert list(note_dependence(x)) == []


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_independent_examples_get_no_note(name):
    assert list(note_dependence(getattr(sklearn_datasets, f"load_{name}")().data)) == []


def test_the_end_can_be_held_out(saved):
    x = np.random.default_rng(0).normal(size=(41, 2))
    data = datasets.load(saved(x), holdout="last")
    np.testing.assert_array_equal(data.train, x[:37])
    np.testing.assert_array_equal(data.test, x[37:])


def test_another_file_can_be_the_test_set_and_classes_keep_one_number(tmp_path):
    (tmp_path / "a.csv").write_text("u,v,kind\n1,2.5,cat\n3,4.5,owl\n5,6.5,cat\n")
    (tmp_path / "b.csv").write_text("u,v,kind\n7,8.5,bee\n9,1.5,owl\n")
    data = datasets.load(tmp_path / "a.csv", "kind", test=tmp_path / "b.csv")
    assert data.train.tolist() == [[1, 2.5], [3, 4.5], [5, 6.5]]
    assert data.test.tolist() == [[7, 8.5], [9, 1.5]]
    assert data.label_names == ("bee", "cat", "owl")
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([1, 2, 1], [0, 2])


def test_a_test_file_with_other_columns_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("u,v\n1,2.5\n3,4.5\n")
    (tmp_path / "b.csv").write_text("u,w\n7,8.5\n9,1.5\n")
    with pytest.raises(DataError, match="must have the same columns"):
        datasets.load(tmp_path / "a.csv", test=tmp_path / "b.csv")
    with pytest.raises(DataError, match="comes with its test set"):
        datasets.load("iris", test=tmp_path / "b.csv")


def test_rows_of_one_group_are_held_out_together_and_the_column_is_not_trained_on(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        f"p{i // 4},{a:.3f},{b:.3f},{'owl' if b > 0 else 'cat'}" for i, (a, b) in enumerate(rng.normal(size=(80, 2)))
    ]
    (tmp_path / "visits.csv").write_text("patient,u,v,kind\n" + "\n".join(rows) + "\n")
    data = datasets.load(tmp_path / "visits.csv", "kind", groups="patient")
    assert (data.train.shape, data.test.shape, data.columns) == ((72, 2), (8, 2), ("u", "v"))
    patient_of = {tuple(float(cell) for cell in row.split(",")[1:3]): row.split(",")[0] for row in rows}
    held, kept = ({patient_of[tuple(row)] for row in part.tolist()} for part in (data.test, data.train))
    assert held.isdisjoint(kept)
    assert len(held) == 2


def test_groups_beside_another_way_to_hold_out_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("g,u\n1,2.5\n1,4.5\n2,3.5\n")
    with pytest.raises(DataError, match="leave out test and holdout"):
        datasets.load(tmp_path / "a.csv", groups="g", holdout="last")
