"""The page in a real browser: its numbers against NumPy, what it asks for, what the keyboard reaches, what it shows."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp

from minivae import VAE, cli
from minivae.explorer import content, page
from minivae.model.likelihoods import from_config
from minivae.model.scaling import Scaling
from minivae.runs.folder import open_run

EVIL = '</script><script>document.title="owned"</script><img src=x onerror=\'document.title="owned"\'>'
RUNS = {  # data, and what it is trained with: every likelihood and activation, and the shapes that a page may get
    "plane": ("digits", "--latent 2 --hidden 16 --binarize threshold"),
    "line": ("iris", "--latent 1 --hidden 8,6 --activation tanh --likelihood gaussian"),
    "wide": ("digits", "--latent 50 --hidden 20 --activation relu"),
    "table": ("wine", "--latent 4 --hidden 9 --activation softplus"),
    "choices": ("choices.npy", "--latent 2 --hidden 7 --activation sigmoid --likelihood categorical"),
    "evil": ("evil.csv", "--latent 2 --hidden none --labels kind"),
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The page of each run; and of one whose parameters did not fit in float32."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    np.save(folder / "choices.npy", np.eye(3)[rng.integers(3, size=40)])
    quoted = EVIL.replace('"', '""')
    rows = [f'{a:.3f},{b:.3f},"{quoted}{k % 2}"' for k, (a, b) in enumerate(rng.normal(size=(40, 2)))]
    (folder / "evil.csv").write_text("\n".join([f'"{quoted}",plain,kind', *rows]), encoding="utf-8")
    found = {}
    for name, (data, options) in RUNS.items():
        source, out = folder / data if "." in data else data, folder / f"{name}<i>"
        command = f"train --epochs 3 --no-pictures --data {source} --out {out} {options}".split()
        assert cli.main(command) == 0
        found[name] = out / "explore.html"
        assert cli.main(["explore", str(out)]) == 0
    run = open_run(folder / "plane<i>")
    run = replace(run, model=VAE(64, (16,), 2, activation="leaky_relu", seed=3))  # which minivae train does not offer
    found["half"] = folder / "half.html"
    found["half"].write_text(page.filled(content.content(run, content.training_data(run), "float16")), encoding="utf-8")
    return found


def values_of(file):
    """The JSON in a page."""
    return json.loads(re.search('id="run">(.*)</script>', file.read_text(encoding="utf-8"))[1])


def array(packed):
    values = np.frombuffer(base64.b64decode(packed["data"]), packed["dtype"]).reshape(packed["shape"])
    return values / 255 if packed["dtype"] == "uint8" else values.astype(float)


def model_of(values):
    """The model in a page, in float64."""
    config = values["model"] | {"dtype": "float64", "likelihood": from_config(values["model"]["likelihood"])}
    if values["scaling"]:
        config["scaling"] = Scaling("standard", *(array(values["scaling"][key]) for key in ("shift", "scale")))
    vae = VAE(**config)
    for name, packed in values["parameters"].items():
        vae.parameters[name] = array(packed)
    return vae


@pytest.mark.parametrize("name", [*RUNS, "half"])
def test_the_page_decodes_and_encodes_as_numpy_does(pages, opened, name):
    values = values_of(pages[name])
    vae, tab = model_of(values), opened(pages[name])
    z = np.random.default_rng(1).normal(size=(100, vae.latent_dim))
    decoded = tab.evaluate("zs => zs.map(minivae.decode)", z.tolist())
    spread = vae.scaling.scale if vae.scaling.kind != "none" else 1.0
    np.testing.assert_allclose(np.array(decoded) / spread, vae.decode(z) / spread, rtol=0, atol=5e-7)
    x = array(values["examples"])
    encoded = tab.evaluate("xs => xs.map(minivae.encode)", x.tolist())
    for key, expected in zip(("mu", "logvar"), vae.encode(x), strict=True):
        np.testing.assert_allclose([one[key] for one in encoded], expected, rtol=0, atol=5e-7)
    assert tab.asked == [pages[name].as_uri()]  # the page asks for itself, and for nothing else
    assert values["parameters"]["decoder.output.b"]["dtype"] in tab.inner_text("#truth")


@pytest.mark.parametrize("name", ["plane", "line", "choices", "evil"])
def test_the_posterior_on_the_grid_is_that_of_quadrature(pages, opened, name):
    values = values_of(pages[name])
    vae = model_of(values)
    x = array(values["examples"])[3]
    found = opened(pages[name]).evaluate("x => minivae.posterior(x)", x.tolist())
    one_axis = np.linspace(-6, 6, 12001 if vae.latent_dim == 1 else 401)
    axes = [one_axis] * vae.latent_dim
    log_px = logsumexp(log_joint(vae, x, axes)) + vae.latent_dim * np.log(one_axis[1] - one_axis[0])
    assert found["log_px"] == pytest.approx(log_px, abs=1e-3)
    exact = np.exp(log_joint(vae, x, found["axes"]) - log_px)
    np.testing.assert_allclose(np.ravel(found["density"]), exact, rtol=2e-3, atol=1e-4 * exact.max())
    mu, logvar = (part[0] for part in vae.encode(x[None]))
    near = [np.linspace(m - 8 * s, m + 8 * s, 401) for m, s in zip(mu, np.exp(logvar / 2), strict=True)]
    points = np.stack(np.meshgrid(*near, indexing="ij"), axis=-1).reshape(-1, vae.latent_dim)
    log_q = -0.5 * np.sum(np.log(2 * np.pi) + logvar + (points - mu) ** 2 / np.exp(logvar), axis=1)
    cell = np.prod([axis[1] - axis[0] for axis in near])
    assert found["elbo"] == pytest.approx(np.sum(np.exp(log_q) * (log_joint(vae, x, near) - log_q)) * cell, abs=1e-3)
    assert found["elbo"] < found["log_px"]


def log_joint(vae, x, axes):
    """log p(x, z) at each point of a grid, in the first axis' order."""
    z = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, vae.latent_dim)
    logs = []
    for part in np.array_split(z, max(1, len(z) // 20000)):
        output = vae.decoder.forward(part)
        target = np.tile(vae.check(x[None]), (len(part), 1))
        logs.append(-vae.recon_nll(output, target) - 0.5 * np.sum(np.log(2 * np.pi) + part**2, axis=1))
    return np.concatenate(logs)


def test_more_than_two_dimensions_have_no_grid(pages, opened):
    tab = opened(pages["table"])
    with pytest.raises(Exception, match="needs 1 or 2 latent dimensions, and this model has 4"):
        tab.evaluate("x => minivae.posterior(x)", [0.0] * 13)
    assert tab.is_hidden("#bayes")
    assert tab.is_visible("#plane")


def test_a_drag_moves_z_and_what_is_decoded_from_it(pages, opened):
    tab = opened(pages["plane"])
    box = tab.locator("#map").bounding_box()
    tab.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.2 * box["height"])
    tab.mouse.down()
    before = tab.evaluate("[Array.from(state.z), $('picture').toDataURL()]")
    tab.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"], steps=4)
    tab.mouse.up()
    tab.evaluate("new Promise(requestAnimationFrame)")
    after = tab.evaluate("[Array.from(state.z), $('picture').toDataURL()]")
    assert before[0][0] > 0 > after[0][0]
    assert before[0][1] > 0 > after[0][1]
    assert before[1] != after[1]


def test_the_keyboard_reaches_everything(pages, opened):
    for name in ("plane", "table"):
        tab = opened(pages[name])
        wanted = "button, input, select, [tabindex='0']"
        count = tab.evaluate(f'[...document.querySelectorAll("{wanted}")].filter(e => e.offsetParent).length')
        reached = set()
        for _ in range(count):
            tab.keyboard.press("Tab")
            reached.add(tab.evaluate(f'[...document.querySelectorAll("{wanted}")].indexOf(document.activeElement)'))
        assert len(reached - {-1}) == count
        tab.focus("#map")
        before = tab.evaluate("Array.from(state.z)")
        for key in ("ArrowRight", "Shift+ArrowUp", "b"):
            tab.keyboard.press(key)
        i, j = tab.evaluate("state.plane")
        after = tab.evaluate("Array.from(state.z)")
        assert (after[i] - before[i], after[j] - before[j]) == pytest.approx((0.1, 0.5))
        assert tab.evaluate("Array.from(state.path[1])") == after
        tab.wait_for_timeout(800)
        assert f"= {after[i]:.2f}" in tab.inner_text("#said")


def test_an_edited_row_and_a_drawn_pixel_move_q(pages, opened):
    tab = opened(pages["table"])
    before = tab.evaluate("Array.from(state.q.mu)")
    tab.fill("#bars tr:nth-child(1) input", "15.5")
    row = tab.evaluate("Array.from(state.x)")
    assert row[0] == 15.5
    assert tab.evaluate("Array.from(state.q.mu)") == tab.evaluate("x => minivae.encode(x).mu", row) != before
    tab = opened(pages["plane"])
    before = tab.evaluate("Array.from(state.q.mu)")
    tab.click("#blank")
    tab.focus("#original")
    for key in ("ArrowRight", "ArrowDown", "Space"):
        tab.keyboard.press(key)
    assert np.flatnonzero(tab.evaluate("Array.from(state.x)")).tolist() == [9]
    assert tab.evaluate("Array.from(state.q.mu)") != before


def test_markup_in_a_run_is_shown_as_text(pages, opened):
    tab = opened(pages["evil"])
    assert tab.title() == "evil<i> - minivae"
    assert tab.evaluate("document.querySelectorAll('script, img, i.owned').length") == 2
    assert tab.inner_text("#bars tbody th >> nth=0") == EVIL
    assert EVIL in tab.inner_text("#classes")
    assert tab.inner_text("#name") == "evil<i>"
    # And if some text got in as markup after all, the policy of the page would not let it run:
    tab.evaluate("document.body.insertAdjacentHTML('beforeend', `<b id=b onclick='document.title=\"owned\"'>b</b>`)")
    tab.evaluate("document.getElementById('b').click()")
    assert tab.title() == "evil<i> - minivae"
    assert "Content Security Policy" in tab.failures.pop()


def test_a_run_without_labels_has_no_classes(pages, opened):
    tab = opened(pages["choices"])
    assert tab.evaluate("$('classes').children.length") == 0
    assert "Nearest" not in tab.inner_text("#said")
    assert tab.evaluate("minivae.decode([0.3, -1]).reduce((a, b) => a + b)") == pytest.approx(1)


@pytest.mark.parametrize("name", ["plane", "wide", "table", "line"])
def test_a_phone_needs_no_scrolling_sideways(pages, opened, name):
    tab = opened(pages[name], width=400)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize(
    ("name", "scheme"), [("plane", "light"), ("plane", "dark"), ("table", "light"), ("wide", "dark")]
)
def test_axe_finds_no_serious_fault(pages, opened, serious_faults, name, scheme):
    assert serious_faults(opened(pages[name], scheme=scheme)) == []
