"""Draw overview.png, the README's picture, from a run of the README's MNIST command.

minivae train --data mnist --hidden 400 --latent 20 --batch-size 128 --epochs 10 --out runs/mnist
python lessons/figures/overview.py runs/mnist
"""

import sys
from pathlib import Path

from minivae import datasets, plotting
from minivae.runs.folder import open_run

run = open_run(sys.argv[1])
data = datasets.load(run.settings.data)
run.check_same(data)
x, samples = data.test[:12], run.vae.sample(24)
rows = [x, run.vae.reconstruct(x), samples[:12], samples[12:]]
figure = plotting.image_grid(rows, data.image_shape, ["test image", "reconstruction", "prior sample", "prior sample"])
plotting.save(figure, Path(__file__).with_name("overview.png"))
