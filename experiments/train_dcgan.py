"""Claim: the report's DCGAN learns what speech of one rare class looks like (report, section 6.1).

    python experiments/train_dcgan.py ../shared/data/ravdess --label female_surprise

Expected on two cores in about two minutes: both losses, as means of epochs, stay within 0.5 to 2.8,
neither runs to 0, and the generated pictures in OUT/real-and-generated.png show a block of
syllables between two pauses. Fine lines of pitch are not to be expected from so few steps at a
quarter of the width.
"""

import argparse
from pathlib import Path

import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.corpora.audit import audit
from serkit.corpora.protocols import hold_out
from serkit.data.spectrograms import compute_spectrograms
from serkit.files import replacing
from serkit.gans.dcgan import DCGANSettings, build_dcgan
from serkit.gans.sampling import sample
from serkit.reporting.gan_figures import gan_losses, real_beside_generated
from serkit.reporting.page import png
from serkit.runs import Run
from serkit.training.batches import training_batches
from serkit.training.resume import Resume


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", nargs="+", type=Path)
    parser.add_argument("--label", default="male_surprise")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--width", type=float, default=0.25, help="1 is the report's network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/train-dcgan"))
    options = parser.parse_args()
    tf.config.experimental.enable_op_determinism()

    # Refuses a folder that was made with other options, rather than going on with its training.
    asked = {name: str(value) for name, value in vars(options).items() if name != "out"}
    with Run(options.out, asked):
        split = hold_out(audit(options.roots).corpus, "gender_emotion", options.seed)
        split.write(options.out / "split.json")
        clips = split.train.where(lambda clip: clip.gender_emotion == options.label)
        if not clips.clips:
            known = ", ".join(split.train.classes("gender_emotion"))
            parser.error(f"--label {options.label} is of no training clip; valid are: {known}")
        real = compute_spectrograms(clips, SpectrogramSpec(), cache=options.out / "spectrograms")[:]

        settings = DCGANSettings(
            width=options.width, batch_size=16, discriminator_rate=1e-4, steps=options.steps
        )
        gan = build_dcgan(settings, options.seed)
        resume = Resume(options.out / options.label, gan.state)
        first_step = resume.epoch * settings.steps_per_epoch
        gan.fit(
            training_batches((real,), settings.batch_size, options.seed, first_step=first_step),
            initial_epoch=resume.epoch,
            epochs=settings.epochs,
            steps_per_epoch=settings.steps_per_epoch,
            callbacks=[resume],
            shuffle=False,
        )

        made = sample(gan.generator, 6, options.seed)
        gan.generator.save(options.out / options.label / "generator.keras")
        pairs = {options.label: (real[:6, :, :, 0], made[..., 0])}
        for name, figure in {
            "losses": gan_losses({options.label: resume.history}),
            "real-and-generated": real_beside_generated(pairs),
        }.items():
            with replacing(options.out / f"{name}.png") as partial:
                partial.write_bytes(png(figure))
        print(f"written: {options.out}")


if __name__ == "__main__":
    main()
