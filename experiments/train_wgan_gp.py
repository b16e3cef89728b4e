"""Claim: with a gradient penalty the report's Wasserstein GAN trains (report, section 8.1).

    python experiments/train_wgan_gp.py ../shared/data/ravdess --label female_surprise

Expected on two cores in about four minutes: no loss is ever NaN. The distance rises from 9 to 257
while the critic learns, and begins to fall before the last epoch (248); the unweighted penalty
rises to 4, so the critic's slope is near 3 and the distance that many times too large. In
OUT/real-and-generated.png most of the generated pictures show a block of sound between two pauses
and nothing in it; some are still noise. It takes far more steps than these to show more.
"""

import argparse
from pathlib import Path

import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.corpora.audit import audit
from serkit.corpora.protocols import hold_out
from serkit.data.spectrograms import compute_spectrograms
from serkit.files import replacing
from serkit.gans.sampling import sample
from serkit.gans.wgan_gp import WGANGPSettings, build_wgan_gp
from serkit.reporting.gan_figures import critic_curves, real_beside_generated
from serkit.reporting.page import png
from serkit.runs import Run
from serkit.training.batches import training_batches
from serkit.training.resume import Resume


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", nargs="+", type=Path)
    parser.add_argument("--label", default="male_surprise")
    parser.add_argument("--steps", type=int, default=300, help="of the generator")
    parser.add_argument("--width", type=float, default=0.125, help="1 is the report's network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path("runs/train-wgan-gp"))
    options = parser.parse_args()
    tf.config.experimental.enable_op_determinism()

    # Refuses a folder that was made with other options, rather than going on with its training.
    asked = {name: str(value) for name, value in vars(options).items() if name != "out"}
    with Run(options.out, asked):
        split = hold_out(audit(options.roots).corpus, "gender_emotion", 0)
        split.write(options.out / "split.json")
        clips = split.train.where(lambda clip: clip.gender_emotion == options.label)
        if not clips.clips:
            known = ", ".join(split.train.classes("gender_emotion"))
            parser.error(f"--label {options.label} is of no training clip; valid are: {known}")
        real = compute_spectrograms(clips, SpectrogramSpec(), cache=options.out / "spectrograms")[:]

        settings = WGANGPSettings(width=options.width, batch_size=16, steps=options.steps)
        histories, pairs = {}, {}
        for seed in options.seeds:
            folder = options.out / f"seed-{seed}"
            gan = build_wgan_gp(settings, seed)
            resume = Resume(folder, gan.state)
            first_step = resume.epoch * settings.steps_per_epoch
            gan.fit(
                training_batches((real,), settings.examples_per_step, seed, first_step=first_step),
                initial_epoch=resume.epoch,
                epochs=settings.epochs,
                steps_per_epoch=settings.steps_per_epoch,
                callbacks=[resume],
                shuffle=False,
            )
            gan.generator.save(folder / "generator.keras")
            histories[f"seed {seed}"] = resume.history
            pairs[f"seed {seed}"] = (real[:6, :, :, 0], sample(gan.generator, 6, seed)[..., 0])

        for name, figure in {
            "critic": critic_curves(histories),
            "real-and-generated": real_beside_generated(pairs),
        }.items():
            with replacing(options.out / f"{name}.png") as partial:
                partial.write_bytes(png(figure))
        print(f"written: {options.out}")


if __name__ == "__main__":
    main()
