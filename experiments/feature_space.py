"""Question: do generated features of two rare classes help a classifier of an encoder's features?

    python experiments/feature_space.py ../shared/data/ravdess --clips 14 --seeds 0 1 2 3 4

The features are those of a frozen Whisper encoder, on 64 principal components of variance 1; the
classifier is logistic regression. Rare classes are filled up to two thirds of the largest class:
with copies, with noise without content, with points between two clips of the class (SMOTE), with
normal samples of each class, with samples of a distribution that borrows its moments from the
nearest large classes, and with samples of a conditional WGAN-GP. `WGAN-GP, all classes` fills all
classes to the same size, so that being generated says nothing about the class. Each method is
compared with class weights, which generate nothing. Every seed chooses folds and clips anew. An
interrupted call resumes.

Source: Chawla et al. (2002), SMOTE; Yang et al. (2021), arXiv:2101.06395, for borrowed moments;
Xian et al. (2018), arXiv:1712.00981, for a WGAN-GP of features.
"""

import argparse
from collections.abc import Callable, Mapping

from serkit.cli.running import run_experiment

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
from keras import layers
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from serkit.cli.arguments import naming_of, recordings_of
from serkit.cli.experiments import experiment_parser
from serkit.files import write_text
from serkit.gans.wgan_gp import WGANGP, WGANGPSettings
from serkit.progress import Progress
from serkit.seeds import derive_seed
from serkit.studies.answers import compare_answers, results_table
from serkit.studies.comparison import open_comparison, open_run_folder
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.folds import Fold

ENCODER, BAR = "whisper-tiny.en", "class weights"
COMPONENTS, C = 64, 0.01
BASE_CLASSES, SPREAD = 2, 0.21
"""Number of classes whose moments a clip borrows, and what is added to their variance: the values
of Yang et al. (2021)."""

Array = npt.NDArray[np.float64]
Points = tuple[Array, npt.NDArray[np.int64]]
"""Components ``(n, 64)`` and class numbers ``(n,)``."""


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/feature-space", spectrograms=False)
    add = parser.add_argument
    add("--class", dest="rare", nargs="+", default=["disgust", "surprise"], help="rare classes")
    add("--clips", type=float, default=14, help="training clips of each rare class")
    add("--seeds", type=int, nargs="+", default=list(range(10)))
    add("--weights", default="imagenet", help="file of a Whisper encoder's weights")
    add("--gan-steps", type=int, default=1000)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    answers = []
    for seed in options.seeds:
        settings = ComparisonSettings(
            roots=recordings_of(options),
            arms=("none", "class-weights"),
            classifiers=(ENCODER,),
            seed=seed,
            rarify=tuple((label, options.clips) for label in options.rare),
            filled_to=0.667,
            weights=options.weights,
            naming=naming_of(options),
        )
        with open_run_folder(options.out / f"seed-{seed}", settings) as run:
            comparison = open_comparison(run, settings, options.out / "cache", Progress())
            for fold in comparison.folds:
                path = run.folder / f"fold-{fold.number}.csv"
                if not path.exists():
                    fold = fold.with_inputs(comparison.inputs_of(ENCODER))
                    write_text(path, answers_of(fold, seed, options.gan_steps).to_csv(index=False))
                answers.append(pd.read_csv(path))
                print(f"seed {seed}, fold {fold.number} is done", flush=True)
    classes = sorted(answers[0]["truth"].unique())
    results = compare_answers(pd.concat(answers), classes, BAR, options.rare)
    text = results_table(results, BAR)
    write_text(options.out / "feature-space.md", text)
    print(f"{text}written: {options.out / 'feature-space.md'}")


def answers_of(fold: Fold, seed: int, gan_steps: int) -> pd.DataFrame:
    """Fit a classifier with each method on one fold; return the predictions of its test clips."""
    partitions, split = fold.partitions, fold.split
    train = partitions.to_fit(split.train)
    labels = np.asarray(train.labels)
    whiten = make_pipeline(StandardScaler(), PCA(COMPONENTS, whiten=True, random_state=0))
    x = whiten.fit_transform(np.asarray(train.spectrograms, np.float64))
    test = whiten.transform(partitions.spectrograms(split.test))
    names = dict(enumerate(partitions.classes))
    rare = {partitions.classes.index(label): count for label, count in fold.plan.items()}
    every = dict.fromkeys(names, int(np.bincount(labels).max()))
    generated = {
        "copies": copies(x, labels, rare, seed),
        "noise": noise(x, labels, rare, seed),
        "SMOTE": smote(x, labels, rare, seed),
        "normal samples": normal_samples(x, labels, rare, seed),
        "borrowed moments": borrowed_moments(x, labels, rare, seed),
    }
    gan = fit_gan(x, labels, len(names), gan_steps, derive_seed(seed, "fold", fold.number))
    generated["WGAN-GP"] = gan_samples(gan, rare, seed)
    generated["WGAN-GP, all classes"] = gan_samples(gan, every, seed)
    uniform = np.full(len(names), 1 / len(names))
    fitted = {
        "none": _logistic().fit(x, labels),
        BAR: _logistic("balanced").fit(x, labels),
        "discriminant analysis": LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage="auto", priors=uniform
        ).fit(x, labels),
    }
    for name, (points, classes) in generated.items():
        # Class weights correct what the filling leaves uneven.
        fitted[name] = _logistic("balanced").fit(
            np.concatenate([x, points]), np.concatenate([labels, classes])
        )
    truth = [names[number] for number in partitions.labels(split.test)]
    speakers = [clip.speaker for clip in split.test.clips]
    tables = [
        pd.DataFrame(
            {
                "arm": name,
                "seed": seed,
                "speaker": speakers,
                "truth": truth,
                "predicted": [names[number] for number in classifier.predict(test)],
            }
        )
        for name, classifier in fitted.items()
    ]
    return pd.concat(tables)


def _logistic(class_weight: str | None = None) -> LogisticRegression:
    return LogisticRegression(C=C, class_weight=class_weight, max_iter=2000)


def _by_class(plan: Mapping[int, int], make: Callable[[int, int], Array]) -> Points:
    """Join the points that ``make`` returns for each class number and number of points."""
    points = [make(number, count) for number, count in plan.items()]
    return np.concatenate(points), np.repeat(list(plan), list(plan.values()))


def copies(x: Array, labels: Array, plan: Mapping[int, int], seed: int) -> Points:
    rng = np.random.default_rng(derive_seed(seed, "copies"))
    return _by_class(plan, lambda number, count: rng.choice(x[labels == number], count))


def noise(x: Array, labels: Array, plan: Mapping[int, int], seed: int) -> Points:
    """Draw noise with the mean and the variance of all clips."""
    rng = np.random.default_rng(derive_seed(seed, "noise"))
    return _by_class(plan, lambda number, count: rng.normal(size=(count, x.shape[1])))


def smote(x: Array, labels: Array, plan: Mapping[int, int], seed: int) -> Points:
    """Draw points between a clip and one of its five nearest clips of the same class."""
    rng = np.random.default_rng(derive_seed(seed, "smote"))

    def make(number: int, count: int) -> Array:
        own = x[labels == number]
        neighbours = min(5, len(own) - 1)
        nearest = NearestNeighbors(n_neighbors=neighbours + 1).fit(own).kneighbors(own)[1][:, 1:]
        first = rng.integers(len(own), size=count)
        second = nearest[first, rng.integers(neighbours, size=count)]
        return own[first] + rng.random((count, 1)) * (own[second] - own[first])

    return _by_class(plan, make)


def normal_samples(x: Array, labels: Array, plan: Mapping[int, int], seed: int) -> Points:
    """Draw from normal distributions with the mean of a class and the covariance within classes."""
    rng = np.random.default_rng(derive_seed(seed, "normal"))
    means = {number: x[labels == number].mean(axis=0) for number in np.unique(labels)}
    covariance = ledoit_wolf(x - np.stack([means[number] for number in labels]))[0]
    return _by_class(
        plan, lambda number, count: rng.multivariate_normal(means[number], covariance, count)
    )


def borrowed_moments(x: Array, labels: Array, plan: Mapping[int, int], seed: int) -> Points:
    """Draw around each clip from a normal distribution with moments of the nearest large classes.

    Source: Yang et al. (2021), equations 5 and 6.
    """
    rng = np.random.default_rng(derive_seed(seed, "borrowed"))
    large = [number for number in np.unique(labels) if number not in plan]
    means = np.stack([x[labels == number].mean(axis=0) for number in large])
    covariances = np.stack([ledoit_wolf(x[labels == number])[0] for number in large])

    def make(number: int, count: int) -> Array:
        own, points = x[labels == number], []
        for clip, share in zip(own, np.array_split(np.arange(count), len(own)), strict=True):
            nearest = np.argsort(((means - clip) ** 2).sum(axis=1))[:BASE_CLASSES]
            mean = (means[nearest].sum(axis=0) + clip) / (BASE_CLASSES + 1)
            covariance = covariances[nearest].mean(axis=0) + SPREAD
            points.append(rng.multivariate_normal(mean, covariance, len(share)))
        return np.concatenate(points)

    return _by_class(plan, make)


def fit_gan(x: Array, labels: Array, classes: int, steps: int, seed: int) -> WGANGP:
    """Train a conditional WGAN-GP of small dense networks on batches with equally many classes."""
    keras.utils.set_random_seed(seed)
    settings = WGANGPSettings(
        latent=16,
        classes=classes,
        steps=steps,
        generator_rate=5e-4,
        critic_rate=5e-4,
        steps_per_epoch=steps,
    )
    number = keras.Input((), dtype="int32")
    noise = keras.Input((settings.latent,))
    point = keras.Input((x.shape[1],))
    one_hot = layers.CategoryEncoding(classes, output_mode="one_hot")(number)
    generator = keras.Model([noise, number], _dense(noise, one_hot, x.shape[1]))
    critic = keras.Model([point, number], _dense(point, one_hot, 1))
    gan = WGANGP(settings, seed, generator=generator, discriminators=[critic])
    points = x.astype(np.float32)
    by_class = [
        tf.data.Dataset.from_tensor_slices((points[labels == each], labels[labels == each]))
        .shuffle(len(points), seed=seed)
        .repeat()
        for each in range(classes)
    ]
    data = tf.data.Dataset.sample_from_datasets(by_class, seed=seed)
    data = data.batch(settings.examples_per_step, drop_remainder=True).prefetch(2)
    gan.fit(data, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)
    return gan


def _dense(inputs, one_hot, size: int):
    y = layers.Concatenate()([inputs, one_hot])
    for _ in range(2):
        y = layers.LeakyReLU(negative_slope=0.2)(layers.Dense(128)(y))
    return layers.Dense(size)(y)


def gan_samples(gan: WGANGP, plan: Mapping[int, int], seed: int) -> Points:
    rng = np.random.default_rng(derive_seed(seed, "samples"))

    def make(number: int, count: int) -> Array:
        noise = rng.normal(size=(count, gan.settings.latent)).astype(np.float32)
        return gan.generator([noise, np.full(count, number)]).numpy().astype(np.float64)

    return _by_class(plan, make)


if __name__ == "__main__":
    run_experiment(main, parse())
