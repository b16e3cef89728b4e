"""Question: which way to be unsure is worth its price, variational inference or a cheaper one?

    python experiments/compare_uncertainty.py ../shared/data/ravdess --seeds 0
    python experiments/compare_uncertainty.py ROOT... --held-out OTHER   # are strangers

Deterministic, temperature scaling, dropout that goes on, an ensemble, and variational networks that
start from trained ones (report, section 8.2; Krishnan et al. 2020), all on the same folds of
speakers. What came out is in docs/uncertainty.md.
"""

from functools import partial
from pathlib import Path

from serkit.audio.masking import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.classifiers.bayesian import last_block
from serkit.classifiers.compact import CompactSettings, compact
from serkit.classifiers.lenet import LeNet5Settings, lenet5
from serkit.classifiers.monte_carlo import with_monte_carlo_dropout
from serkit.classifiers.moped import from_deterministic
from serkit.classifiers.settings import FitSettings
from serkit.trials.command_line import cross_validation, cross_validation_parser
from serkit.trials.panel import ANSWERS, Panel
from serkit.trials.strangers import all_strangers
from serkit.trials.uncertainty_report import uncertainty_report
from serkit.uncertainty.ensemble import Ensemble
from serkit.uncertainty.sampled import SampledNetwork
from serkit.uncertainty.temperature import scale_temperature

OWN = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)


def main() -> None:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/compare-uncertainty")
    parser.add_argument("--held-out", type=Path, nargs="*", default=[], help="other corpora")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--bayesian-epochs", type=int, default=20)
    parser.add_argument("--members", type=int, default=4, help="of the ensemble")
    parser.add_argument("--delta", type=float, default=0.1, help="of MOPED")
    options = parser.parse_args()

    augment = partial(mask, settings=MaskSettings())
    settings = FitSettings(epochs=options.epochs, label_smoothing=0.1, keep="last")
    going_on = FitSettings(epochs=options.bayesian_epochs, learning_rate=3e-4, keep="last")
    shape, network = OWN.shape, CompactSettings(pool=(1, 1), stride=(1, 2))
    small = LeNet5Settings(pool=(2, 2), dropout=0.3)
    with cross_validation(options, OWN, [0.9, 1.1], ANSWERS, uncertainty_report) as trial:
        classes = len(trial.classes)
        for fold in trial:
            panel = Panel(fold, all_strangers(fold, OWN, options.held_out, trial.folder))
            members = [
                panel.trained(
                    f"compact-{number}",
                    lambda seed: compact(classes, shape, network, seed),
                    *(settings, augment),
                )
                for number in range(options.members)
            ]
            twin = members[0]
            bayesian = panel.trained(
                "compact-bayesian",
                lambda seed, twin=twin: from_deterministic(
                    twin, options.delta, layers=last_block(twin), seed=seed
                ),
                *(going_on, augment, 0.8),
            )
            lenet = panel.trained(
                "lenet5", lambda seed: lenet5(classes, shape, small, seed), settings, augment
            )
            bayesian_lenet = panel.trained(
                "lenet5-bayesian",
                lambda seed, lenet=lenet: from_deterministic(lenet, options.delta, seed=seed),
                *(going_on, augment, 0.8),
            )
            one = Ensemble([twin])
            panel.ask("compact", one)
            validation, speakers = fold.validation, fold.parts.split.speakers
            panel.ask("compact, temperature", scale_temperature(one, validation, speakers))
            panel.ask("compact, dropout", SampledNetwork(with_monte_carlo_dropout(twin)), "compact")
            panel.ask(f"compact, ensemble of {options.members}", Ensemble(members), "compact")
            panel.ask("compact, variational", SampledNetwork(bayesian), "compact")
            panel.ask("lenet5", Ensemble([lenet]))
            panel.ask("lenet5, variational", SampledNetwork(bayesian_lenet), "lenet5")
            panel.keep()


if __name__ == "__main__":
    main()
