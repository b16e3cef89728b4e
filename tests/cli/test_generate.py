import csv
import shutil
from dataclasses import asdict

import keras
import matplotlib.image
import numpy as np
import pytest
import soundfile

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.reference_classifier import Embedding, penultimate
from serkit.augmentation.sample_filter import SampleFilter
from serkit.augmentation.synthetic_set import read_synthetic_set
from serkit.cli.main import main
from serkit.files import read_json
from serkit.gans.sampling import GeneratorCard, load_generator, sample, store_generator

SPEC = SpectrogramSpec(sample_rate=8000, frames=8, bins=8, window=128, hop=64, fft=256, high_hz=4e3)
CLASSES = ("male_surprise", "female_sad", "male_calm", "angry")
CLIPS = dict(zip(CLASSES, (4, 8, 10, 3), strict=True))
PLACE = (0.5, 0.5)
"""Features of all training clips of male_surprise; copies begin a quarter from there."""
SOUND = 64 * 7 + 128


def _two_features(units) -> np.ndarray:
    """Weights of two numbers for all values: one of the first four frames, one of the last."""
    return np.kron(np.eye(2), np.full(units // 2, 1.0))


def _generator() -> keras.Model:
    noise = keras.Input((2,))
    values = keras.layers.Dense(64, "tanh", use_bias=False)(noise)
    model = keras.Model(noise, keras.layers.Reshape(SPEC.shape)(values))
    model.set_weights([_two_features(64)])
    return model


def _generator_of_two() -> keras.Model:
    """The first feature is tanh -1 for class 0, tanh 1 for class 1; the second is random."""
    noise, number = keras.Input((1,)), keras.Input((), dtype="int32")
    vector = keras.layers.Embedding(2, 1, name="class_vector")(number)
    values = keras.layers.Concatenate()([vector, noise])
    values = keras.layers.Dense(64, "tanh", use_bias=False)(values)
    model = keras.Model([noise, number], keras.layers.Reshape(SPEC.shape)(values))
    model.set_weights([np.array([[-1], [1]]), _two_features(64)])
    return model


def _sample_filter() -> SampleFilter:
    """Surprise where the first feature is above 0, sad where it is below, never another class."""
    inputs = keras.Input(SPEC.shape)
    features = keras.layers.Dense(2, use_bias=False)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(4)(features))
    logits = np.array([[1, -1, 0, 0], [0, 0, 0, 0]])
    model.set_weights([_two_features(64).T / 32, logits, np.array([0, 0, -9, -9])])
    clips = {name: np.full((count, 2), 9, "float32") for name, count in CLIPS.items()}
    clips["male_surprise"][:] = PLACE
    embedding = Embedding(penultimate(model), np.float32(0), np.float32(1))
    return SampleFilter(model, embedding, CLASSES, clips, dict.fromkeys(CLASSES, 0.25))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run with a generator of one class, one of two, and a judge; do not write into it."""
    run = tmp_path_factory.mktemp("run")
    spec = asdict(SPEC)
    card = GeneratorCard(("male_surprise",), ("ann", "bob"), 4, "dcgan", spec)
    store_generator(_generator(), card, run / "gans" / "x")
    card = GeneratorCard(("female_sad", "male_calm"), ("ann", "eve"), 18, "wgan_gp", spec)
    store_generator(_generator_of_two(), card, run / "gans" / "deeper" / "y")
    _sample_filter().save(run / "judge")
    return run


@pytest.fixture
def generate(run_folder, tmp_path):
    """Runs the command on the run folder; gives the folder that was written to."""

    def run(*arguments: str, out: str = "out"):
        assert main(["generate", str(run_folder), "--out", str(tmp_path / out), *arguments]) == 0
        return tmp_path / out

    return run


def _of(label: str, count: int) -> tuple[str, ...]:
    return "--class", label, "--count", str(count)


def _names(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def _bytes(folder) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in _names(folder)}


def _verdicts(spectrograms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which are copies of a clip of male_surprise and which are not it, without a judge."""
    first, second = spectrograms[:, :4].mean((1, 2, 3)), spectrograms[:, 4:].mean((1, 2, 3))
    return np.hypot(first - PLACE[0], second - PLACE[1]) <= 0.25, first < 0


def test_a_set_a_figure_and_sounds_are_written(generate):
    folder = generate(*_of("male_surprise", 10)) / "male_surprise"
    sounds = [f"sound-{number:03}.wav" for number in range(8)]
    sets = ["manifest.csv", "origin.json", "spectrograms-000.npy"]
    assert _names(folder) == sorted(["grid.png", *sets, *sounds])
    assert read_synthetic_set(folder)[0].shape == (10, *SPEC.shape)
    for name in sounds:
        heard, rate = soundfile.read(folder / name)
        assert (rate, heard.shape) == (8000, (SOUND,))
        assert np.abs(heard).max() == pytest.approx(0.5, abs=1e-3)
    assert soundfile.info(folder / "sound-000.wav").subtype == "PCM_16"
    # Two rows of eight places, of which the second row's first is filled and its last empty.
    picture = matplotlib.image.imread(folder / "grid.png")[..., :3]
    assert picture.shape[1] == pytest.approx(4 * picture.shape[0], rel=0.02)
    height, width = np.array(picture.shape[:2]) // (2, 8)
    assert np.ptp(picture[-height:, :width], axis=(0, 1)).max() > 0
    assert (picture[-height:, -width:] == 1).all()


def test_manifest_numbers_are_positions_in_the_generator_s_stream(generate, run_folder):
    folder = generate(*_of("male_surprise", 10)) / "male_surprise"
    with open(folder / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    (seed,) = {int(row["seed"]) for row in rows}
    stored = load_generator(run_folder / "gans" / "x")
    assert {row["generator"] for row in rows} == {stored.card.sha256}
    assert {row["class"] for row in rows} == {"male_surprise"}
    stream = sample(stored.network, 64, seed)
    copies, refused = _verdicts(stream)
    good = np.flatnonzero(~(copies | refused))[:10].tolist()
    assert [int(row["number"]) for row in rows] == good
    expected = stream[good].astype("float16")
    np.testing.assert_array_equal(read_synthetic_set(folder)[0], expected)


def test_counts_are_printed_and_recorded(generate, run_folder, capsys):
    folder = generate(*_of("male_surprise", 20), "--wav", "0") / "male_surprise"
    origin = read_json(folder / "origin.json")
    network = load_generator(run_folder / "gans" / "x").network
    copies, refused = map(sum, _verdicts(sample(network, origin["tried"], origin["seed"])))
    assert min(copies, refused) > 0
    assert (origin["copies"], origin["refused"], origin["gated"]) == (copies, refused, True)
    assert origin["speakers"] == ["ann", "bob"]
    assert capsys.readouterr().out.splitlines() == [
        f"male_surprise: 20 of {origin['tried']} samples accepted; {copies} were near-copies of "
        f"training clips, {refused} classified as another class",
        f"   written: {folder}",
    ]


def test_the_same_seed_gives_the_same_files(generate):
    of = *_of("male_surprise", 3), "--wav", "1"
    first = _bytes(generate(*of, "--seed", "5"))
    assert _bytes(generate(*of, "--seed", "5", out="again")) == first
    other = _bytes(generate(*of, "--seed", "6", out="other"))
    assert other.keys() == first.keys()
    assert [name for name in first if first[name] == other[name]] == []


def test_a_smaller_set_leaves_no_sounds_of_a_larger_one(generate, capsys):
    generate(*_of("male_surprise", 3))
    capsys.readouterr()
    folder = generate(*_of("male_surprise", 2), "--wav", "1") / "male_surprise"
    assert "   3 earlier samples replaced" in capsys.readouterr().out.splitlines()
    assert [path.name for path in folder.glob("*.wav")] == ["sound-000.wav"]
    generate(*_of("male_surprise", 2), "--wav", "0")
    assert not list(folder.glob("*.wav"))
    assert len(read_synthetic_set(folder)[0]) == 2


def test_a_generator_of_several_classes_makes_the_one_that_is_asked_for(generate, run_folder):
    out = generate(*_of("female_sad", 5), "--wav", "0")
    spectrograms, origin = read_synthetic_set(out / "female_sad")
    np.testing.assert_allclose(spectrograms[:, :4], np.tanh(-1), atol=1e-3)
    assert origin.speakers == ("ann", "eve")
    assert origin.generator == load_generator(run_folder / "gans" / "deeper" / "y").card.sha256
    generate(*_of("male_calm", 5), "--wav", "0", "--no-sample-filter")
    spectrograms, origin = read_synthetic_set(out / "male_calm")
    np.testing.assert_allclose(spectrograms[:, :4], np.tanh(1), atol=1e-3)


def test_ungated_rejects_no_sample(generate, run_folder, capsys):
    folder = (
        generate(*_of("male_surprise", 20), "--no-sample-filter", "--wav", "0") / "male_surprise"
    )
    spectrograms, origin = read_synthetic_set(folder)
    assert (origin.gated, origin.copies, origin.refused) == (False, 0, 0)
    network = load_generator(run_folder / "gans" / "x").network
    stream = sample(network, 20, origin.seed)
    np.testing.assert_array_equal(spectrograms, stream.astype("float16"))
    copies, refused = _verdicts(stream)
    assert copies.any()
    assert refused.any()
    assert "not filtered" in capsys.readouterr().out


def test_the_reports_plan_adds_400_to_mens_surprise(generate):
    """Of its eight classes the run has a generator for that one."""
    out = generate("--plan", "report", "--wav", "0")
    assert [path.name for path in out.iterdir()] == ["male_surprise"]
    assert len(read_synthetic_set(out / "male_surprise")[0]) == 400
    assert sorted(path.name for path in out.rglob("*.npy")) == [
        *("spectrograms-000.npy", "spectrograms-001.npy")
    ]


@pytest.mark.parametrize(
    ("share", "counts"),
    [
        ((), {"male_surprise": 6, "female_sad": 2}),
        (("--filled-to", "0.7"), {"male_surprise": 3}),
    ],
)
def test_balance_fills_classes_with_a_generator(generate, capsys, share, counts):
    """There are 4, 8, 10 and 3 clips; of the last class there is no generator."""
    out = generate("--plan", "balance", "--wav", "0", *share)
    written = {path.name: len(read_synthetic_set(path)[0]) for path in out.iterdir()}
    assert written == counts
    said = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert [name for name in said if name in CLASSES] == list(counts)


def test_balance_needs_the_filter_s_counts_unless_ungated(generate):
    out = generate("--plan", "balance", "--wav", "0", "--no-sample-filter")
    spectrograms, origin = read_synthetic_set(out / "male_surprise")
    assert (len(spectrograms), origin.gated) == (6, False)
    # Here the judge would have found some.
    assert (origin.copies, origin.refused) == (0, 0)


def test_the_default_folder_is_in_the_run(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    assert main(["generate", str(tmp_path / "run"), *_of("female_sad", 1), "--wav", "0"]) == 0
    assert len(read_synthetic_set(tmp_path / "run" / "samples" / "female_sad")[0]) == 1


def test_the_folder_of_another_command_is_refused(run_folder, tmp_path, capsys):
    (tmp_path / "audit.json").touch()
    command = ["generate", str(run_folder), *_of("female_sad", 1), "--out", str(tmp_path)]
    assert main(command) == 2
    assert "`--out` must not be the folder of another command's run" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["audit.json"]


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (
            _of("male_angry", 3),
            "one of: female_sad, male_calm, male_surprise. Received: --class male_angry",
            2,
        ),
        (_of("angry", 3), "--class angry", 2),
        (_of("female_sad", 0), "`--count` must be 1 or more. Received: --count 0", 2),
        ((), "one of these is needed: --plan balance", 2),
        ((*_of("female_sad", 3), "--plan", "report"), "--plan with --class or --count", 2),
        (("--count", "3", "--plan", "balance"), "--plan with --class or --count", 2),
        (("--class", "female_sad"), "--class needs --count", 2),
        (("--count", "3"), "--count needs --class", 2),
        (("--count", "3", "--no-sample-filter"), "--count needs --class", 2),
        ((*_of("female_sad", 3), "--wav", "-1"), "--wav -1", 2),
        (("--plan", "balance", "--filled-to", "11"), "--filled-to 11.0", 2),
        (
            ("--plan", "balance", "--filled-to", "0.4"),
            "no class needs more clips to reach 40% of",
            2,
        ),
        (
            _of("male_calm", 3),
            "male_calm: the filter accepted 0 of 64 samples, 3 were wanted; 0 were near-copies "
            "of training clips, 64 classified as another class. Train the GAN for longer, or "
            "sample without the filter: --no-sample-filter",
            1,
        ),
    ],
)
def test_errors_are_one_line(run_folder, capsys, arguments, words, status):
    before = _bytes(run_folder)
    assert main(["generate", str(run_folder), *arguments]) == status
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("serkit generate: ")
    assert words in line
    assert _bytes(run_folder) == before


def test_a_folder_without_gans_is_refused(run_folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    for name in ("gone", "file"):
        assert main(["generate", str(tmp_path / name), *_of("female_sad", 3)]) == 2
        assert f"RUN {tmp_path / name} is no folder" in capsys.readouterr().err
    shutil.copytree(run_folder / "judge", tmp_path / "run" / "judge")
    assert main(["generate", str(tmp_path / "run"), *_of("female_sad", 3)]) == 2
    said = capsys.readouterr().err
    assert "RUN must be the run folder of a finished demo" in said
    assert f"Received: {tmp_path / 'run'}, which has no folder gans." in said


def test_without_a_filter_samples_must_be_ungated(run_folder, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(run_folder / "gans", run / "gans")
    arguments = ["generate", str(run), *_of("female_sad", 3), "--wav", "0"]
    assert main(arguments) == 1
    assert f"no sample filter can be read from {run / 'judge'}" in capsys.readouterr().err
    assert not (run / "samples").exists()
    assert main([*arguments, "--no-sample-filter"]) == 0
    assert len(read_synthetic_set(run / "samples" / "female_sad")[0]) == 3


def test_a_run_without_the_reports_classes_has_no_part_in_its_plan(run_folder, tmp_path, capsys):
    for name in ("judge", "gans/deeper"):
        shutil.copytree(run_folder / name, tmp_path / name)
    assert main(["generate", str(tmp_path), "--plan", "report"]) == 2
    said = capsys.readouterr().err
    assert "one of the classes male_neutral" in said
    assert "Received: female_sad, male_calm" in said
