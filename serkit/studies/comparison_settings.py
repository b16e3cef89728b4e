"""Settings of a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spec_augment import MaskSettings
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import (
    COPIES,
    DCGAN,
    DEFAULT_ARMS,
    WGAN_GP,
    Arm,
    choose_arms,
    wave_augmentation,
)
from serkit.datasets.corpus import LABEL_SETS
from serkit.datasets.custom import Naming
from serkit.datasets.imbalance import RARE_BELOW
from serkit.datasets.splits import RANDOM
from serkit.datasets.synthetic import SyntheticSettings
from serkit.errors import InputError, check_choice, check_range
from serkit.gans.base import GANSettings
from serkit.gans.dcgan import DCGAN_RECIPES, REPORT, SMALL_DATA
from serkit.models.fitting import FitSettings
from serkit.models.linear_head import LinearHeadSettings
from serkit.models.transfer import TRANSFER, TransferSettings
from serkit.seeds import check_seed
from serkit.serialization import recorded
from serkit.studies.classifier_kinds import (
    CLASSIFIERS,
    COMPACT,
    FEATURES,
    FROZEN_CONVS,
    HEADS,
    NETWORKS,
    NetworkKind,
    compact_kind,
    require_features,
    transfer_kind,
)
from serkit.studies.gan_kinds import KINDS, REPORT_DCGAN, GanKind, GanSizes
from serkit.studies.search_spaces import CompactRecipe
from serkit.training.precision import fastest_precision

Tuned = CompactRecipe | LinearHeadSettings | GANSettings
K_FOLD, BOTH, LEAVE_ONE_CORPUS_OUT = "k-fold", "both", "leave-one-corpus-out"
HOLD_OUT = "hold-out"
"""Name of the protocol ``k-fold`` with one fold."""
PROTOCOLS = (K_FOLD, RANDOM, BOTH, LEAVE_ONE_CORPUS_OUT)
BALANCE, REPORT_PLAN = "balance", "report"
PLANS = (BALANCE, REPORT_PLAN)
TUNED_CLASSIFIER, TUNED_HEAD = "classifier", "head"
_TUNABLE = (TUNED_CLASSIFIER, TUNED_HEAD, DCGAN, WGAN_GP)
# Settings that later versions added. They are written only if they differ from their defaults, so
# that run folders of earlier versions, which do not have them, stay valid.
_ADDED_SETTINGS = (
    *("tuned", "naming", "gan_recipe", "frozen_convs", "precision", "live", "most_rare"),
    *("synthetic", "keep_models", "short", "features", "speaker_normalization"),
)


@dataclass(frozen=True)
class ComparisonSettings:
    """Settings of a comparison; the defaults fit two cores.

    Attributes:
        roots: folders of recordings, CSV files, or manifests of an audit; may be empty if
            ``synthetic`` is given.
        arms: names of arms, see :data:`serkit.augmentation.arms.ARMS`.
        everywhere: names of arms whose methods are added to every arm, the baseline included.
        classifiers: some of :data:`serkit.studies.classifier_kinds.CLASSIFIERS`. A linear
            classifier of features is trained with some of the arms only, see :meth:`arms_of`.
        label_set: ``emotion`` or ``gender_emotion``.
        protocol: ``k-fold``, whose partitions share no speaker; ``random``, the protocol of the
            2021 report, in which speakers are in both training and test, so that all results are
            marked as leaky; ``both``; or ``leave-one-corpus-out``.
        without: names of corpora to leave out.
        folds: number of folds, at least 3, so that every clip is tested once; or 1 for a single
            split: ``hold-out`` in place of ``k-fold``, or the 2021 report's own random split.
        seed: seed of folds, rare classes, GANs and generated samples.
        seeds: seeds of training runs. Every arm is trained once with each seed on every fold.
        more_seeds: further seeds for ``none`` and the best arms. The best arms are those with the
            highest mean UAR on validation speakers over the training runs with ``seeds``.
        best: maximum number of best arms that are trained with ``more_seeds``.
        rarify: pairs of a label and what to keep of its training clips: a fraction above 0 and at
            most 1, or a number of clips, at least 2.
        first_folds: number of folds to run, starting with the first; 0 for all.
        plan: how the numbers of examples to add are chosen: ``balance``, by ``rare_below`` and
            ``filled_to``; or ``report``, the numbers of the 2021 report (figure 18).
        rare_below: a class with fewer training clips than this fraction of the largest class is
            filled up. Above 1 all classes are filled up.
        filled_to: size that a class is filled up to, as a fraction of the largest class.
        generated_share: fraction of the added examples that is generated; the others are copies of
            clips. Applies to all arms that fill up classes except ``oversampling``.
        gated: whether a sample filter rejects generated samples, see :mod:`serkit.augmentation`.
        weights: initial weights of the 2021 report's networks: ``imagenet``, ``none`` or a file.
            Or the file of a Whisper encoder's weights; default: found or downloaded.
        spec: settings of the spectrograms. GANs and the 2021 report's networks need 224 by 224.
        masks: settings of the arm ``specaugment``.
        gans: width of the GANs and number of their training steps.
        gan_recipe: recipe of the arm ``dcgan``, see :data:`serkit.gans.dcgan.DCGAN_RECIPES`.
            ``report`` has no pretraining, whatever ``gans`` says.
        fit: training settings by classifier; default: the classifier's own.
        tuned: settings that hyperparameter searches found, see
            :func:`serkit.studies.search_spaces.read_tuned`, of ``classifier`` (the compact
            network), ``head`` (without its class weights), ``dcgan`` or ``wgan-gp``.
        naming: naming scheme of the user's own recordings.
        frozen_convs: number of frozen convolutions of ``vgg16-half-freeze``, 0 to 13: 10 as in the
            2021 report's text, 8 as in its listing.
        precision: ``float32`` or ``mixed_bfloat16``, of VGG16 and ResNet50; default: the faster.
        live: whether the spectrograms of training batches are computed from waveforms at each step
            in all arms. If False, only in the arms that augment waveforms.
        most_rare: number of rare classes that are filled up, starting with the rarest; 0 for all.
        synthetic: settings of the built-in corpus, which is written into the run folder and used if
            there are no ``roots``.
        keep_models: whether all trained classifiers are saved, for an export. If False, an
            InputError is raised if all arms but ``none`` are left out because no class is rare.
        short: whether these settings are for a check that everything runs, see :meth:`shortened`.
        features: file of the user's own features of the recordings, for the classifier
            ``features``; see :class:`serkit.datasets.feature_table.FeatureTable`.
        speaker_normalization: whether the mean of each speaker's clips is taken off their features.
            This uses all clips of a test speaker, so that all results are marked as transductive.

    Raises:
        InputError: if a value is out of range, a name is not known, or settings exclude each other.

    Example:
        >>> import serkit
        >>> settings = serkit.ComparisonSettings(roots=("recordings",), arms=("none",))
        >>> settings.protocols, settings.fit_of("compact").epochs > 0
        (('k-fold',), True)
    """

    roots: tuple[str, ...]
    arms: tuple[str, ...] = DEFAULT_ARMS
    everywhere: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = (COMPACT,)
    label_set: str = "emotion"
    protocol: str = K_FOLD
    without: tuple[str, ...] = ()
    folds: int = 5
    seed: int = 0
    seeds: tuple[int, ...] = (0,)
    more_seeds: tuple[int, ...] = ()
    best: int = 2
    rarify: tuple[tuple[str, float], ...] = ()
    first_folds: int = 0
    plan: str = BALANCE
    rare_below: float = RARE_BELOW
    filled_to: float = 1.0
    generated_share: float = 1.0
    gated: bool = False
    weights: str = "imagenet"
    spec: SpectrogramSpec = field(default_factory=SpectrogramSpec)
    masks: MaskSettings = field(default_factory=MaskSettings)
    gans: GanSizes = field(default_factory=GanSizes)
    gan_recipe: str = SMALL_DATA
    fit: dict[str, FitSettings] = field(default_factory=dict, hash=False)
    tuned: dict[str, Tuned] = field(default_factory=dict, hash=False)
    naming: Naming = field(default_factory=Naming, hash=False)
    frozen_convs: int = FROZEN_CONVS
    precision: str = field(default_factory=fastest_precision)
    live: bool = False
    most_rare: int = 0
    synthetic: SyntheticSettings | None = None
    keep_models: bool = False
    short: bool = False
    features: str | None = None
    speaker_normalization: bool = False

    def __post_init__(self) -> None:
        arms = choose_arms(self.arms, self.everywhere)
        for name in self.classifiers:
            check_choice("classifier", name, CLASSIFIERS)
        for name in self.fit:
            check_choice("fit", name, NETWORKS)
        require_features(self.classifiers, self.features, self.roots)
        check_choice("label_set", self.label_set, LABEL_SETS)
        check_choice("protocol", self.protocol, PROTOCOLS)
        if self.folds != 1:
            check_range("folds", self.folds, 3)
        check_choice("plan", self.plan, PLANS)
        for name in ("best", "first_folds", "most_rare"):
            check_range(name, getattr(self, name), 0)
        check_range("generated_share", self.generated_share, 0.0, 1.0)
        check_range("rare_below", self.rare_below, 0.0, 10.0)
        check_range("filled_to", self.filled_to, 0.01, 10.0)
        for name in self.tuned:
            check_choice("tuned", name, _TUNABLE)
        check_choice("gan_recipe", self.gan_recipe, DCGAN_RECIPES)
        # TransferSettings checks these two values.
        TransferSettings(self.frozen_convs, precision=self.precision)
        if DCGAN in self.tuned and self.gan_recipe == REPORT:
            raise InputError(
                "`gan_recipe` must be small-data if `tuned` has settings of a DCGAN. "
                "Received: report."
            )
        for label, kept in self.rarify:
            if not (0 < kept <= 1 or (kept > 1 and kept == int(kept))):
                raise InputError(
                    "`rarify` must be a fraction above 0 and at most 1, or a number of clips. "
                    f"Received: {label}={kept:g}."
                )
        for name in ("roots", "classifiers", "seeds"):
            values = getattr(self, name)
            may_be_empty = name == "roots" and self.synthetic
            if not (values or may_be_empty) or len(set(values)) < len(values):
                raise InputError(
                    f"`{name}` must be one or more values, each once. Received: {values!r}."
                )
        check_seed("seed", self.seed)
        for name in ("seeds", "more_seeds"):
            for seed in getattr(self, name):
                check_seed(name, seed)
        if set(self.more_seeds) & set(self.seeds):
            raise InputError(
                f"`more_seeds` must be others than {self.seeds}. Received: {self.more_seeds}."
            )
        self._check_live(arms)
        self._check_heads(arms)

    def _check_live(self, arms: Sequence[Arm]) -> None:
        live_arms = [arm for arm in arms if self.wave_augmentation_of(arm) is not None]
        names = ", ".join(arm.name for arm in live_arms)
        networks = [name for name in self.classifiers if name in NETWORKS]
        for name in networks if live_arms else ():
            if views := self.fit_of(name).views:
                reason = "`live` is given" if self.live else f"`arms` has {names}"
                raise InputError(
                    f"`classifiers` must not have {name} if {reason}: spectrograms are then new at "
                    f"each step, not {views} fixed views. Received: {', '.join(self.classifiers)}."
                )
        if len(live_arms) < len(arms) and any(arm.speeds for arm in live_arms):
            raise InputError(
                "`live` must be true where all arms have `speed` and some augment waveforms "
                f"({names}): these draw a speed at each step, the others have fixed ones. "
                "Received: False."
            )

    def _check_heads(self, arms: Sequence[Arm]) -> None:
        heads = [name for name in self.classifiers if name in HEADS]
        for name in heads:
            usable = self.arms_of(name)
            if arms[0] not in usable or (len(arms) > 1 and len(usable) == 1):
                speed = "" if name == FEATURES else ", speed"
                raise InputError(
                    f"`arms` must have some of none, class-weights, oversampling{speed} with "
                    f"{name}, whose features are computed once for each recording, without "
                    "`everywhere` or `live` that change them. Received: "
                    f"{', '.join(arm.name for arm in arms)}."
                )
        if self.speaker_normalization and len(heads) < len(self.classifiers):
            raise InputError(
                "`speaker_normalization` is for linear classifiers of features only. "
                f"Received: {', '.join(self.classifiers)}."
            )
        encoders = [name for name in heads if name != FEATURES]
        others = [name for name in self.classifiers if name in TRANSFER]
        if self.encoder_weights and encoders and len(encoders + others) > 1:
            raise InputError(
                "`weights` must not be a file with classifiers that need different ones. "
                f"Received: {self.weights} with {', '.join(encoders + others)}."
            )

    def arms_of(self, classifier: str) -> tuple[Arm, ...]:
        """Return the arms that a classifier can be trained with, ``none`` first.

        A network is trained with all arms. A linear classifier is fitted in closed form on features
        that are computed once for each recording: class weights, copies and, with an encoder,
        speeds are possible; generated spectrograms and random changes at each step are not.
        """
        arms = choose_arms(self.arms, self.everywhere)
        if classifier in NETWORKS:
            return arms
        return tuple(
            arm
            for arm in arms
            if arm.fill in ("", COPIES)
            and not (arm.spec_augment or arm.mixup or self.wave_augmentation_of(arm))
            and not (arm.speeds and classifier == FEATURES)
        )

    @property
    def encoder_weights(self) -> str | None:
        """File of a Whisper encoder's weights; None to find or download them."""
        return None if self.weights in ("imagenet", "none") else self.weights

    def wave_augmentation_of(self, arm: Arm) -> WaveAugmentation | None:
        """Return an arm's augmentation of waveforms; None if its spectrograms are precomputed."""
        if not (self.live or arm.wave_augmentations):
            return None
        return wave_augmentation(arm.live_augmentations)

    def speeds_of(self, arm: Arm) -> tuple[float, ...]:
        """Return the speed factors of an arm's precomputed spectrograms, 1 first."""
        return (1.0,) if self.wave_augmentation_of(arm) is not None else (1.0, *arm.speeds)

    @property
    def protocols(self) -> tuple[str, ...]:
        """Protocols to run."""
        speaker_disjoint = HOLD_OUT if self.folds == 1 else K_FOLD
        if self.protocol == K_FOLD:
            return (speaker_disjoint,)
        return (speaker_disjoint, RANDOM) if self.protocol == BOTH else (self.protocol,)

    def fit_of(self, classifier: str) -> FitSettings:
        """Return the training settings of a network."""
        return self.fit.get(classifier, self.network_kind(classifier).fit)

    def network_kind(self, classifier: str) -> NetworkKind:
        """Return a kind of network; applies ``tuned``, ``frozen_convs`` and ``precision``."""
        recipe = self.tuned.get(TUNED_CLASSIFIER)
        if classifier == COMPACT and isinstance(recipe, CompactRecipe):
            return compact_kind(recipe)
        defaults = (FROZEN_CONVS, fastest_precision())
        if classifier in TRANSFER and (self.frozen_convs, self.precision) != defaults:
            return transfer_kind(classifier, self.frozen_convs, self.precision)
        return NETWORKS[classifier]

    def gan_kind(self, kind: str) -> GanKind:
        """Return a kind of GAN; applies ``gan_recipe`` and ``tuned``."""
        if kind == DCGAN and self.gan_recipe == REPORT:
            return REPORT_DCGAN
        settings = self.tuned.get(kind)
        return KINDS[kind].tuned(settings) if isinstance(settings, GANSettings) else KINDS[kind]

    def with_epochs(self, epochs: int | None) -> "ComparisonSettings":
        """Return these settings with this number of epochs for all networks; None keeps them."""
        if epochs is None:
            return self
        # Classifiers that are not compared now are included, because a later call may add them.
        fit = {name: replace(self.fit_of(name), epochs=epochs) for name in NETWORKS}
        return replace(self, fit=fit)

    def shortened(self) -> "ComparisonSettings":
        """Return the shortest settings that show whether everything runs."""
        fit = {
            name: replace(self.fit_of(name), epochs=2, steps_per_epoch=4, batch_size=16)
            for name in NETWORKS
        }
        synthetic = replace(self.synthetic, size=0.03) if self.synthetic else None
        gans, folds = self.gans.shortened(), min(self.folds, 3)
        return replace(self, gans=gans, fit=fit, folds=folds, synthetic=synthetic, short=True)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values, for the run folder."""
        return recorded(self, _ADDED_SETTINGS)
