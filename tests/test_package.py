"""What is installed, what is imported, and that the two say the same."""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minivae
import minivae.version

ROOT = Path(__file__).parents[1]


def python(code, cwd=None, **environment):
    import os

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, env={**os.environ, **environment}
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_kernels_has_no_init_file_because_a_top_level_package_of_that_name_breaks_transformers():
    assert not (ROOT / "kernels" / "__init__.py").exists()


def test_kernels_are_found_in_a_checkout_that_nobody_installed(tmp_path):
    code = "import minivae, minivae.kernels.reference as r; print(r.__file__)"
    found = python(code, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert Path(found) == ROOT / "kernels" / "reference.py"


@pytest.mark.slow
def test_the_wheel_holds_minivae_kernels_and_nothing_at_the_top_level_but_minivae(tmp_path):
    import os
    import shutil
    import zipfile

    copy = tmp_path / "copy"  # building in the checkout would leave a build folder in it
    ignored = shutil.ignore_patterns(".git", ".venv*", "*.egg-info", "build")
    own_runs = {str(ROOT): {"runs"}}  # not minivae/runs
    shutil.copytree(ROOT, copy, ignore=lambda folder, names: ignored(folder, names) | own_runs.get(str(folder), set()))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, env=os.environ)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"minivae"}
    assert "minivae/kernels/reference.py" in names
    assert "minivae/kernels/__init__.py" not in names
    missing = {path.relative_to(ROOT).as_posix() for path in (ROOT / "minivae").rglob("*.py")} - set(names)
    assert not missing
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(wheel).extractall(unpacked)
    code = "import minivae.kernels.reference as r; from minivae import VAE; VAE(4, (3,), 2); print(r.__file__)"
    assert str(unpacked) in python(code, cwd=tmp_path, PYTHONPATH=str(unpacked))


def test_importing_minivae_imports_no_numpy_and_help_no_more():
    heavy = "{'numpy', 'scipy', 'sklearn', 'matplotlib', 'tqdm', 'numba', 'cupy'}"
    assert python(f"import sys, minivae; print({heavy} & set(sys.modules))") == "set()"
    code = f"""
import sys
from minivae.cli import make_parser
make_parser().format_help()
print({heavy} & set(sys.modules))"""
    assert python(code) == "set()"


def test_every_public_name_can_be_had():
    for name in minivae.__all__:
        assert getattr(minivae, name) is not None
    assert set(minivae.__all__) <= set(dir(minivae))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = minivae.nonsense


def test_the_readme_lists_every_public_name():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]+) \|", readme, flags=re.MULTILINE)
    listed = {re.split(r"[(. ]", name)[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    assert set(minivae.__all__) <= listed


def test_the_python_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_the_version_is_one():
    assert importlib.metadata.version("minivae") == minivae.__version__ == minivae.version.__version__


def test_no_module_is_longer_than_its_job():
    for path in (ROOT / "minivae").rglob("*.py"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 420, f"{path.name}: {lines} lines"


def test_nothing_but_the_backend_module_imports_kernels():
    importers = [
        path.name
        for path in (ROOT / "minivae").rglob("*.py")
        if re.search(
            r"^\s*(from|import) (minivae\.)?kernels|import_module\(f?.minivae\.kernels",
            path.read_text(encoding="utf-8"),
            re.M,
        )
    ]
    assert importers == ["backend.py"]


def test_kernels_import_nothing_from_minivae():
    for path in (ROOT / "kernels").glob("*.py"):
        assert not re.search(r"^\s*(from|import) minivae", path.read_text(encoding="utf-8"), re.M), path.name


def test_no_registry_is_installed_at_top_level_by_the_checkout():
    spec = importlib.util.find_spec("kernels")
    assert spec is None or spec.origin is None  # at most a namespace, which any real package of that name beats
