"""Write 00-model.js: the decoder of a small VAE with two latents, and where its encoder puts test images.

python lessons/figures/moving/model_00.py
"""

import json
from pathlib import Path

from minivae import VAE, Adam, datasets, fit
from minivae.explorer.content import packed, parameters

digits = datasets.load("digits")
vae = VAE(input_dim=64, hidden_dims=(64,), latent_dim=2)
fit(vae, digits.train > 0.5, epochs=150, batch_size=64, optimizer=Adam(2e-3), progress=False)
arrays = {name: value for name, value in parameters(vae).items() if name.startswith("decoder")}
model = {name: packed(value)["data"] for name, value in arrays.items()}
model |= {"points": packed(vae.encode(digits.test > 0.5)[0])["data"], "labels": digits.test_labels.tolist()}
text = json.dumps(model, separators=(",", ":"))
Path(__file__).with_name("00-model.js").write_text(f"const MODEL = {text};\n", encoding="utf-8")
