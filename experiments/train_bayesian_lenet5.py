"""Claim (report, section 8.2.1): a Bayesian LeNet-5, of which its authors got no result, trains.

    python experiments/train_bayesian_lenet5.py ../shared/data/ravdess --seeds 0

What makes it work: the KL counts one over the number of real training clips and is warmed up,
posteriors start narrow, and (``--delta``) from the weights of the plain network, trained first.
What came out is in docs/uncertainty.md.
"""

from functools import partial

from serkit.audio.masking import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.classifiers.bayesian import bayesian_lenet5
from serkit.classifiers.lenet import LeNet5Settings, lenet5
from serkit.classifiers.moped import from_deterministic
from serkit.classifiers.settings import FitSettings
from serkit.trials.command_line import cross_validation, cross_validation_parser
from serkit.trials.panel import ANSWERS, Panel
from serkit.trials.strangers import all_strangers
from serkit.trials.uncertainty_report import uncertainty_report
from serkit.uncertainty.ensemble import Ensemble
from serkit.uncertainty.sampled import SampledNetwork

OWN = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)


def main() -> None:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/train-bayesian-lenet5")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--bayesian-epochs", type=int, default=20, help="after those")
    parser.add_argument("--delta", type=float, default=0.1, help="of MOPED")
    options = parser.parse_args()

    augment = partial(mask, settings=MaskSettings())
    settings = FitSettings(epochs=options.epochs, label_smoothing=0.1, keep="last")
    going_on = FitSettings(epochs=options.bayesian_epochs, learning_rate=3e-4, keep="last")
    network = LeNet5Settings(pool=(2, 2), dropout=0.3)
    with cross_validation(options, OWN, [0.9, 1.1], ANSWERS, uncertainty_report) as trial:
        sizes = len(trial.classes), OWN.shape, network
        for fold in trial:
            panel = Panel(fold, all_strangers(fold, OWN, [], trial.folder))
            plain = panel.trained("plain", lambda seed: lenet5(*sizes, seed), settings, augment)
            started = panel.trained(
                "moped",
                lambda seed, plain=plain: from_deterministic(plain, options.delta, seed=seed),
                *(going_on, augment, 0.8),
            )
            anew = panel.trained(
                "new",
                lambda seed: bayesian_lenet5(*sizes, seed=seed),
                *(settings, augment, 0.8),
            )
            panel.ask("plain", Ensemble([plain]))
            panel.ask("Bayesian, from the plain one", SampledNetwork(started), "plain")
            panel.ask("Bayesian, from new weights", SampledNetwork(anew), "plain")
            panel.keep()


if __name__ == "__main__":
    main()
