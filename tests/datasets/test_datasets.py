"""The data sets: what each holds, how a file is refused, and how MNIST is found, verified and downloaded.

Nothing here touches the network or the user's cache: mirrors are a server in this process, on 127.0.0.1.
"""

import dataclasses
import gzip
import hashlib
import http.server
import io
import os
import pathlib
import socket
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pooch
import pytest
from test_tables import denied, matrix, refused

from minivae import datasets
from minivae.backend import permutation
from minivae.datasets import mnist

REAL_FOLDER = os.environ.get("MINIVAE_DATA")
REAL_MIRRORS = mnist.MIRRORS
REAL_FILES = mnist.FILES


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of this test's own (not made yet), no data folder, no mirror, no proxy before 127.0.0.1."""
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.delenv("MINIVAE_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(mnist, "MIRRORS", ())
    return tmp_path / "cache" / "minivae"


# -- the three that scikit-learn ships ---------------------------------------------------------------------

SPECIES = ("setosa", "versicolor", "virginica")


@pytest.mark.parametrize(
    ("name", "train", "test", "dtype", "image_shape", "label_names"),
    [
        ("digits", (1437, 64), (360, 64), "float32", (8, 8), tuple("0123456789")),
        ("iris", (120, 4), (30, 4), "float64", None, SPECIES),
        ("wine", (142, 13), (36, 13), "float64", None, ("class_0", "class_1", "class_2")),
    ],
)
def test_a_named_data_set_is_scikit_learns_with_its_stratified_split_of_random_state_zero(
    name, train, test, dtype, image_shape, label_names
):
    import sklearn.datasets
    from sklearn.model_selection import train_test_split

    data, original = datasets.load(name), getattr(sklearn.datasets, f"load_{name}")()
    assert (data.name, data.train.shape, data.test.shape) == (name, train, test)
    assert data.train.dtype == data.test.dtype == dtype
    assert (data.image_shape, data.label_names) == (image_shape, label_names)
    assert data.columns == (() if name == "digits" else tuple(original.feature_names))
    x, y = original.data / (16 if name == "digits" else 1), original.target
    parts = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    if name == "iris":  # the one test row that is equal to a training row has changed places with another of its class
        found = data.train, data.test
        changed = [np.flatnonzero((mine != theirs).any(axis=1)) for mine, theirs in zip(found, parts[:2], strict=True)]
        assert [len(rows) for rows in changed] == [1, 1]
        parts[0][changed[0]], parts[1][changed[1]] = parts[1][changed[1]], parts[0][changed[0]].copy()
    for part, expected in zip((data.train, data.test, data.train_labels, data.test_labels), parts, strict=True):
        np.testing.assert_array_equal(part, expected)
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "other"
    assert data != datasets.load(name)


def test_the_representation_is_one_short_line_without_the_arrays():
    text = repr(datasets.load("digits"))
    assert text == (
        "Dataset(name='digits', train=(1437, 64), test=(360, 64), dtype=float32, labels=10 classes, image_shape=(8, 8))"
    )
    assert "labels=none" in repr(datasets.Dataset("mine", np.zeros((2, 3)), np.zeros((1, 3))))


def test_importing_the_module_loads_neither_scikit_learn_nor_pooch():
    code = "import sys, minivae.datasets; print(*{'sklearn', 'pooch', 'requests', 'scipy'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


# -- names and paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fashion", "Digits", "", ".npy", "missing.xlsx", "a\0b", "x" * 5000])
def test_an_unknown_name_is_refused_with_the_known_names_and_the_endings_of_files(name):
    refused(
        lambda: datasets.load(name),
        f"unknown data set {name!r}",
        "digits, iris, wine, mnist",
        "needs the ending .npy, .npz, .csv, .tsv or .txt",
    )


@pytest.mark.parametrize("ending", [".npy", ".npz", ".csv"])
def test_a_missing_file_is_no_unknown_name(ending):
    refused(lambda: datasets.load(f"missing{ending}"), f"cannot read 'missing{ending}': No such file")


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "mnist"])
@pytest.mark.parametrize("labels", ["species", 0])
def test_a_named_data_set_has_its_labels_already(name, labels):
    refused(lambda: datasets.load(name, labels=labels), f"{name!r} comes with its labels: remove labels={labels!r}")


@pytest.mark.parametrize("name", [None, 3, b"digits", ["digits"]])
def test_what_is_neither_a_string_nor_a_path_is_a_type_error(name):
    with pytest.raises(TypeError, match="a string or a path"):
        datasets.load(name)
    with pytest.raises(TypeError, match="a string or a path"):
        datasets.load_npy(name)


def test_a_path_object_is_always_a_path_even_if_it_is_called_like_a_data_set():
    refused(lambda: datasets.load(pathlib.Path("digits")), "unknown data set 'digits'")


# -- your own file: what is held out (tests/datasets/test_tables.py has what is read) --------------------------------


def test_one_row_in_ten_is_held_out_by_the_permutation_of_seed_zero(saved):
    x = matrix(57)
    data = datasets.load(saved(x))
    order = permutation(seed=0, epoch=0, n=57)
    np.testing.assert_array_equal(data.test, x[sorted(order[:5])])
    np.testing.assert_array_equal(data.train, x[sorted(order[5:])])


@pytest.mark.parametrize(("n", "n_test"), [(2, 1), (3, 1), (19, 1), (20, 2), (1000, 100)])
def test_both_parts_have_at_least_one_row_and_together_every_row_once(n, n_test, saved):
    data = datasets.load(saved(matrix(n)))
    assert (len(data.train), len(data.test)) == (n - n_test, n_test)
    assert sorted(map(tuple, np.concatenate([data.train, data.test]))) == list(map(tuple, matrix(n)))


def test_the_same_rows_are_held_out_whatever_the_format_and_each_keeps_its_label(saved, tmp_path):
    x, y = matrix(57), np.arange(57) * 3
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    np.savetxt(tmp_path / "mine.csv", np.column_stack([x, y]), delimiter=",")
    expected = datasets.load(saved(x))
    for data in (datasets.load(tmp_path / "mine.npz"), datasets.load(tmp_path / "mine.csv", labels=-1)):
        np.testing.assert_array_equal(data.train, expected.train)
        np.testing.assert_array_equal(data.test, expected.test)
        np.testing.assert_array_equal(data.train_labels, data.train[:, 0])
        np.testing.assert_array_equal(data.test_labels, data.test[:, 0])
        assert data.label_names == ()


def test_the_names_of_columns_and_labels_come_along(tmp_path):
    (tmp_path / "flowers.csv").write_text("length,kind\n1,rose\n2,iris\n", encoding="utf-8")
    data = datasets.load(tmp_path / "flowers.csv", "kind")
    assert (data.name, data.columns, data.label_names) == ("flowers", ("length",), ("iris", "rose"))
    assert {data.train[0, 0]: data.train_labels[0], data.test[0, 0]: data.test_labels[0]} == {1: 1, 2: 0}


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "Unnamed: 0.1"])  # written once; read, and written again; and again
@pytest.mark.parametrize("index", [range(4), (7, 0, 3, 2)])
def test_what_looks_like_the_index_of_pandas_is_read_and_pointed_out(index, name, tmp_path):
    path = tmp_path / "frame.csv"
    path.write_text(f"{name},a\n" + "".join(f"{i},{i / 2}\n" for i in index), encoding="utf-8")
    with pytest.warns(
        UserWarning, match=r"frame.csv': the first column looks like a pandas index.*--drop.*index=False"
    ) as seen:
        data = datasets.load(path)
    assert (data.columns, data.train.shape, seen[0].filename) == ((name, "a"), (3, 2), __file__)


@pytest.mark.parametrize(
    "text", ["n,a\n0,1\n1,2\n", ",a\n1,1\n1,2\n", ",a\n0.5,1\n1,2\n", "a,\n1,0\n2,1\n", "0,1\n1,2\n"]
)
def test_what_does_not_look_like_an_index_is_read_in_silence(text, tmp_path, recwarn):
    (tmp_path / "frame.csv").write_text(text, encoding="utf-8")
    datasets.load(tmp_path / "frame.csv")
    assert not recwarn.list


def test_a_file_with_a_split_of_its_own_keeps_it(tmp_path):
    parts = {"x_train": np.zeros((3, 2, 2), np.uint8), "x_test": np.ones((2, 2, 2), np.uint8)}
    np.savez(tmp_path / "mine.npz", **parts, y_train=np.array([1, 2, 3]), y_test=np.array([4, 5]))
    data = datasets.load(tmp_path / "mine.npz")
    assert (data.train.tolist(), data.test.tolist()) == ([[0] * 4] * 3, [[1] * 4] * 2)
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([1, 2, 3], [4, 5])
    assert data.image_shape == (2, 2)
    np.savez(tmp_path / "two.npz", train=matrix(1), test=matrix(1))
    assert len(datasets.load(tmp_path / "two.npz").train) == 1


@pytest.mark.parametrize("ending", ["npy", "npz", "csv"])
def test_one_example_cannot_be_split(ending, tmp_path):
    path = tmp_path / f"one.{ending}"
    {"npy": np.save, "npz": np.savez, "csv": np.savetxt}[ending](path, np.ones((1, 1)))
    refused(lambda: datasets.load(path), repr(str(path)), "has 1 example(s), but 2 are needed")


def test_a_file_has_its_stem_for_a_name_and_neither_labels_nor_columns(saved):
    data = datasets.load(str(saved(matrix(), "größe.v2.npy")))
    assert (data.name, data.train_labels, data.test_labels, data.columns) == ("größe.v2", None, None, ())
    assert data.label_names == ()


def test_the_function_for_npy_files_reads_them_whatever_their_ending(saved):
    path = saved(matrix())
    expected, data = datasets.load(path), datasets.load_npy(path.rename(path.with_name("digits")))
    np.testing.assert_array_equal(data.train, expected.train)
    np.testing.assert_array_equal(data.test, expected.test)
    assert data.name == "digits"
    refused(lambda: datasets.load_npy(saved(matrix(1))), "has 1 example(s), but 2 are needed")


def test_what_was_loaded_is_plain_memory_and_outlives_the_file(saved):
    path = saved(matrix())
    data = datasets.load(path)
    path.unlink()
    assert type(data.train) is type(data.test) is np.ndarray
    assert data.train.flags.writeable
    assert data.train.flags.c_contiguous


# -- IDX ---------------------------------------------------------------------------------------------------


def idx(array, dims=None, magic=None):
    """The bytes of an IDX file of unsigned bytes, by default a correct one."""
    dims = array.shape if dims is None else dims
    magic = bytes((0, 0, 8, array.ndim)) if magic is None else magic
    return magic + b"".join(int(dim).to_bytes(4, "big") for dim in dims) + array.astype(np.uint8).tobytes()


def test_an_idx_file_is_read_as_a_view_of_its_bytes():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = idx(array)
    read = mnist.parse_idx(content, 3)
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.uint8
    assert np.shares_memory(read, np.frombuffer(content, np.uint8))
    np.testing.assert_array_equal(mnist.parse_idx(idx(array[0, 0]), 1), array[0, 0])


PIXELS = np.zeros((2, 3, 4))


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"", "expected it to start with 00000803, got "),
        (idx(PIXELS, magic=b"\0\0\x08\x01"), "expected it to start with 00000803, got 00000801"),
        (idx(PIXELS, magic=b"\x1f\x8b\x08\x00"), "got 1f8b0800"),
        (idx(PIXELS)[:15], "an IDX header of 16 bytes was expected, got 15 bytes"),
        (idx(PIXELS)[:-1], "shape (2, 3, 4) needs 40 bytes, got 39"),
        (idx(PIXELS) + b"x", "shape (2, 3, 4) needs 40 bytes, got 41"),
        (idx(PIXELS, dims=(2**32 - 1,) * 3), f"needs {16 + (2**32 - 1) ** 3} bytes, got 40"),
        (idx(PIXELS, dims=(0, 28, 28)), "is empty: its IDX header gives the shape (0, 28, 28)"),
    ],
)
def test_an_idx_file_that_does_not_fit_its_header_is_refused(content, fragment):
    refused(lambda: mnist.parse_idx(content, 3, "train-images"), "train-images is ", fragment)


# -- MNIST: a small one, in a folder, in the cache, on mirrors ---------------------------------------------

CONTENT = {
    "train-images-idx3-ubyte": idx(np.arange(6 * 784).reshape(6, 28, 28) % 256),
    "train-labels-idx1-ubyte": idx(np.array([5, 0, 4, 1, 9, 2])),
    "t10k-images-idx3-ubyte": idx(np.arange(4 * 784).reshape(4, 28, 28) % 255),
    "t10k-labels-idx1-ubyte": idx(np.array([7, 2, 1, 0])),
}
FIRST = "train-images-idx3-ubyte"


@pytest.fixture
def small(monkeypatch):
    """The table of files, for the small MNIST."""
    md5 = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in CONTENT.items()}
    files = {name: mnist.IdxFile(md5[name], len(content)) for name, content in CONTENT.items()}
    monkeypatch.setattr(mnist, "FILES", files)


def put(folder, compressed=True, **changed):
    """Write the small MNIST into ``folder``; ``changed`` gives files other content, by the first word of the name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        content = changed.get(name.partition("-idx")[0].replace("-", "_"), content)
        (folder / (name + ".gz" * compressed)).write_bytes(gzip.compress(content) if compressed else content)
    return folder


def is_small_mnist(data):
    assert (data.name, data.image_shape, data.columns) == ("mnist", (28, 28), ())
    assert data.label_names == tuple("0123456789")
    np.testing.assert_array_equal(data.train_labels, [5, 0, 4, 1, 9, 2])
    np.testing.assert_array_equal(data.test_labels, [7, 2, 1, 0])
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    assert data.train.shape == (6, 784)
    assert data.test.shape == (4, 784)
    assert data.train.dtype == data.test.dtype == np.float32
    np.testing.assert_array_equal(data.train.ravel(), (np.arange(6 * 784) % 256).astype(np.float32) / 255)
    return True


@pytest.mark.parametrize("subfolder", ["", "mnist"])
@pytest.mark.parametrize("how", ["plain", "compressed", "decompressed by a browser, and not renamed"])
def test_the_data_folder_is_read_directly_or_in_its_subfolder_compressed_or_not(
    subfolder, how, small, tmp_path, monkeypatch, cache
):
    folder = put(tmp_path / "data" / subfolder, how == "compressed")
    for path in folder.iterdir() if "browser" in how else ():
        path.rename(path.with_name(path.name + ".gz"))
    monkeypatch.setenv("MINIVAE_DATA", str(tmp_path / "data"))
    assert is_small_mnist(datasets.load("mnist"))
    assert not cache.exists()


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("change", [lambda c: c[:-1] + b"\x01", lambda c: c[:-1], lambda c: c + b"x", lambda c: b""])
def test_a_wrong_file_in_the_data_folder_is_an_error_that_names_it(
    change, compressed, small, tmp_path, monkeypatch, cache
):
    folder = put(tmp_path / "data", compressed, train_labels=change(CONTENT["train-labels-idx1-ubyte"]))
    put(cache, compressed=False)  # a good copy elsewhere does not hide the bad one
    monkeypatch.setenv("MINIVAE_DATA", str(folder))
    path = str(folder / "train-labels-idx1-ubyte") + ".gz" * compressed
    refused(datasets.load_mnist, f"{path!r} is not MNIST's train-labels-idx1-ubyte", "MD5")


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c[:40],
        lambda c: c[:-3],
        lambda c: c[:12] + b"\xff" * 20 + c[32:],
        lambda c: c[:-8] + b"\xff" * 4 + c[-4:],  # gzip's own checksum
        lambda c: c[:2],
    ],
)
def test_a_damaged_archive_in_the_data_folder_is_an_error_that_names_it(damage, small, tmp_path, monkeypatch):
    folder = put(tmp_path / "data")
    path = folder / f"{FIRST}.gz"
    path.write_bytes(damage(path.read_bytes()))
    monkeypatch.setenv("MINIVAE_DATA", str(folder))
    refused(datasets.load_mnist, f"{str(path)!r} is a damaged gzip file")


def test_a_gzip_bomb_is_read_no_further_than_the_expected_size(small, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIVAE_DATA", str(put(tmp_path / "data", train_images=bytes(2**25))))
    refused(datasets.load_mnist, FIRST, "MD5", memory=2**21)


def test_a_file_in_the_data_folder_that_may_not_be_read_is_an_error_that_names_it(small, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIVAE_DATA", str(put(tmp_path / "data")))
    monkeypatch.setattr(mnist, "open", denied, raising=False)
    refused(datasets.load_mnist, "cannot read", f"{FIRST}.gz': Permission denied")


class Server:
    """A web server on 127.0.0.1 with one answer per path: bytes, or (bytes, Content-Length), or a status."""

    def __init__(self):
        self.answers, self.asked = {}, []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                answer = server.answers.get(self.path, 404)
                if isinstance(answer, int):
                    self.send_error(answer)
                    return
                body, length = answer if isinstance(answer, tuple) else (answer, len(answer))
                self.send_response(200)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def mirror(self, folder, **changed):
        """Serve the small MNIST under /folder/; ``changed`` as in ``put``, but the answers themselves."""
        for name, content in CONTENT.items():
            key = name.partition("-idx")[0].replace("-", "_")
            self.answers[f"/{folder}/{name}.gz"] = changed.get(key, gzip.compress(content))
        return f"http://127.0.0.1:{self.http.server_port}/{folder}/"

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(small):
    server = Server()
    yield server
    server.stop()


def files_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_download_is_verified_kept_and_not_repeated(server, cache, monkeypatch):
    monkeypatch.setattr(mnist, "MIRRORS", (server.mirror("a"), server.mirror("b")))
    assert is_small_mnist(datasets.load("mnist"))
    assert server.asked == [f"/a/{name}.gz" for name in CONTENT if "train" in name] + [
        f"/a/{name}.gz" for name in CONTENT if "t10k" in name
    ]
    assert {name: (cache / name).read_bytes() for name in files_in(cache)} == CONTENT
    monkeypatch.setattr(mnist, "MIRRORS", ())
    assert is_small_mnist(datasets.load("mnist"))
    assert len(server.asked) == 4


BAD_ANSWERS = {
    "another content": (gzip.compress(CONTENT[FIRST][:-1] + b"\0"), "the MD5 of its decompressed content is not"),
    "not compressed, and not MNIST": (b"<html>log in to the hotel's network</html>", "is not MNIST's"),
    "a cut archive": (gzip.compress(CONTENT[FIRST])[:-5], "is a damaged gzip file"),
    "an empty body": (b"", "is not MNIST's"),
    "a cut connection": ((gzip.compress(CONTENT[FIRST])[:100], 5000), f"/a/{FIRST}.gz"),
    "no end": (bytes(len(CONTENT[FIRST]) + mnist.SLACK + 1), "more than "),
    "not found": (404, "HTTP status 404"),
    "a broken server": (503, "HTTP status 503"),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS)
def test_the_next_mirror_is_asked_when_the_first_one_gives_a_bad_answer(bad, server, cache, monkeypatch):
    answer, _ = BAD_ANSWERS[bad]
    monkeypatch.setattr(mnist, "MIRRORS", (server.mirror("a", train_images=answer), server.mirror("b")))
    assert is_small_mnist(datasets.load("mnist"))
    assert server.asked[:2] == [f"/a/{FIRST}.gz", f"/b/{FIRST}.gz"]
    assert {name: (cache / name).read_bytes() for name in files_in(cache)} == CONTENT


@pytest.mark.parametrize("bad", BAD_ANSWERS)
def test_bad_answers_of_all_mirrors_are_one_error_and_leave_the_cache_empty(bad, server, cache, monkeypatch):
    answer, fragment = BAD_ANSWERS[bad]
    mirrors = (server.mirror("a", train_images=answer), server.mirror("b", train_images=answer))
    monkeypatch.setattr(mnist, "MIRRORS", mirrors)
    refused(datasets.load_mnist, "cannot get MNIST", fragment, *mirrors, "set MINIVAE_DATA to it", *CONTENT)
    assert files_in(cache) == []


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_without_a_network_one_short_sentence_says_what_was_tried_and_what_to_do(small, cache, monkeypatch):
    url = f"http://127.0.0.1:{unused_port()}/"
    monkeypatch.setattr(mnist, "MIRRORS", (url,))
    message = refused(
        datasets.load_mnist,
        f"not in the cache {str(cache)!r}",
        f"no download from {url}{FIRST}.gz (ConnectionError)",
        "put the four files",
        "set MINIVAE_DATA to it",
    )
    assert "MINIVAE_DATA=" not in message  # it was not set, so it was not tried
    assert len(message) < 600
    assert files_in(cache) == []


@pytest.mark.parametrize("exists", [True, False])
def test_a_data_folder_without_the_files_is_passed_over_but_mentioned(exists, small, tmp_path, cache, monkeypatch):
    folder = tmp_path / "elsewhere"
    if exists:
        folder.mkdir()
    monkeypatch.setenv("MINIVAE_DATA", str(folder))
    refused(datasets.load_mnist, f"not in MINIVAE_DATA={str(folder)!r}; not in the cache")
    put(cache, compressed=False)
    assert is_small_mnist(datasets.load("mnist"))


def test_an_empty_data_variable_counts_as_none_even_if_the_files_are_in_the_working_folder(
    small, tmp_path, monkeypatch
):
    monkeypatch.chdir(put(tmp_path / "here"))
    monkeypatch.setenv("MINIVAE_DATA", "")
    assert "MINIVAE_DATA=" not in refused(datasets.load_mnist, "cannot get MNIST")


def test_a_damaged_file_in_the_cache_is_fetched_again_and_replaced(server, cache, monkeypatch):
    put(cache, compressed=False, train_labels=b"rubbish")
    monkeypatch.setattr(mnist, "MIRRORS", (server.mirror("a"),))
    assert is_small_mnist(datasets.load("mnist"))
    assert server.asked == ["/a/train-labels-idx1-ubyte.gz"]
    assert {name: (cache / name).read_bytes() for name in files_in(cache)} == CONTENT


def test_a_damaged_file_in_the_cache_is_named_when_it_cannot_be_fetched_again(small, cache):
    put(cache, compressed=False, train_labels=b"rubbish")
    path = str(cache / "train-labels-idx1-ubyte")
    refused(datasets.load_mnist, f"cannot get MNIST: {path!r} is not MNIST's train-labels-idx1-ubyte")


def test_a_cache_that_cannot_be_written_costs_a_warning_and_not_the_data(server, cache, monkeypatch):
    cache.parent.write_text("a file where the folder should be", encoding="utf-8")
    monkeypatch.setattr(mnist, "MIRRORS", (server.mirror("a"),))
    with pytest.warns(UserWarning, match="cannot keep the download in .* it is fetched again next time"):
        assert is_small_mnist(datasets.load("mnist"))


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_file_whose_writing_is_interrupted_leaves_the_cache_clean(failure, server, cache, monkeypatch):
    def fail(*_):
        assert [name.startswith(f".{FIRST}-") for name in files_in(cache)] == [True]  # beside, under another name
        raise failure

    monkeypatch.setattr(mnist, "MIRRORS", (server.mirror("a"),))
    monkeypatch.setattr(os, "replace", fail)
    if isinstance(failure, OSError):
        with pytest.warns(UserWarning, match="No space left on device"):
            mnist.obtain(FIRST)
    else:
        with pytest.raises(KeyboardInterrupt):
            mnist.obtain(FIRST)
    assert files_in(cache) == []


@pytest.mark.parametrize("terminal", [True, False])
def test_a_progress_bar_is_shown_on_a_terminal_only(terminal, server, monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(mnist, "MIRRORS", (server.mirror("a"),))
    assert is_small_mnist(datasets.load("mnist"))
    assert ("100%" in screen.getvalue()) is terminal
    assert terminal or screen.getvalue() == ""


def test_a_process_without_a_standard_error_downloads_too(server, monkeypatch):
    monkeypatch.setattr(mnist, "MIRRORS", (server.mirror("a"),))
    monkeypatch.setattr(sys, "stderr", None)
    assert is_small_mnist(datasets.load("mnist"))


# -- the real MNIST ----------------------------------------------------------------------------------------


def test_the_table_is_that_of_the_published_files_and_mirrors():
    assert [file.size for file in REAL_FILES.values()] == [47040016, 60008, 7840016, 10008]
    assert all(mirror.startswith("https://") and mirror.endswith("/mnist/") for mirror in REAL_MIRRORS)


@pytest.mark.peers
@pytest.mark.skipif(
    not REAL_FOLDER or not mnist.find(REAL_FOLDER, FIRST), reason="MINIVAE_DATA names no folder with the MNIST files"
)
def test_the_real_mnist_is_what_everyone_else_trains_on(monkeypatch):
    monkeypatch.setenv("MINIVAE_DATA", REAL_FOLDER)
    tracemalloc.start()
    data = datasets.load("mnist")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.train.shape == (60000, 784)
    assert data.test.shape == (10000, 784)
    assert data.train.dtype == data.test.dtype == np.float32
    assert data.train.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert (data.train.min(), data.train.max()) == (0, 1)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert data.image_shape == (28, 28)
    assert peak < data.train.nbytes + 2 * (data.train.size + data.test.size)  # bytes once, floats once
