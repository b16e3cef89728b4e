"""The public API. ``__init__.py`` imports each name at its first use."""

from . import layers, metrics
from .audio.inversion import griffin_lim
from .audio.loading import spectrogram
from .audio.spectrogram import SpectrogramSpec
from .augmentation.sample_filter import SampleFilter
from .datasets.audit import Audit, audit
from .datasets.corpus import Clip, Corpus
from .datasets.download import download
from .datasets.feature_table import FeatureTable
from .datasets.protocols import hold_out, k_fold, leave_one_corpus_out, leave_one_speaker_out
from .datasets.splits import Speakers, Split
from .datasets.synthetic import SyntheticSettings, write_synthetic_corpus
from .errors import InputError, LeakError, SerkitError
from .export.exportable_model import ExportableModel
from .export.portable import convert_model
from .export.saved_model import export_model
from .gans.dcgan import DCGAN, DCGANSettings
from .gans.fitting import fit_gan
from .gans.sampling import sample
from .gans.wgan_gp import WGANGP, WGANGPSettings
from .models.bayesian import from_deterministic
from .models.compact import CompactSettings, compact
from .models.fitting import FitSettings, fit_classifier
from .models.lenet import lenet5
from .models.linear_head import LinearHeadSettings, fit_linear_head
from .models.speech_features import SpeechFeatures, compute_speech_features
from .models.transfer import resnet50_head, vgg16_half_freeze, vgg16_head
from .models.whisper_weights import whisper_from_preset
from .serving.client import Client, connect
from .serving.local import ExportedModel, load_model
from .serving.prediction import Prediction
from .serving.timeline import Moment, timeline
from .studies.comparison import compare
from .studies.comparison_settings import ComparisonSettings
from .studies.evaluation import EvaluationSettings, evaluate
from .studies.train import TrainSettings, train
from .training.examples import Examples
from .training.spectrograms import compute_spectrograms
from .uncertainty.ood import FeatureDensity
from .uncertainty.predictors import Ensemble, SampledNetwork, predict_samples
from .uncertainty.temperature import scale_temperature

__all__ = [
    "DCGAN",
    "WGANGP",
    "Audit",
    "Client",
    "Clip",
    "CompactSettings",
    "ComparisonSettings",
    "Corpus",
    "DCGANSettings",
    "Ensemble",
    "EvaluationSettings",
    "Examples",
    "ExportableModel",
    "ExportedModel",
    "FeatureDensity",
    "FeatureTable",
    "FitSettings",
    "InputError",
    "LeakError",
    "LinearHeadSettings",
    "Moment",
    "Prediction",
    "SampleFilter",
    "SampledNetwork",
    "SerkitError",
    "Speakers",
    "SpectrogramSpec",
    "SpeechFeatures",
    "Split",
    "SyntheticSettings",
    "TrainSettings",
    "WGANGPSettings",
    "audit",
    "compact",
    "compare",
    "compute_spectrograms",
    "compute_speech_features",
    "connect",
    "convert_model",
    "download",
    "evaluate",
    "export_model",
    "fit_classifier",
    "fit_gan",
    "fit_linear_head",
    "from_deterministic",
    "griffin_lim",
    "hold_out",
    "k_fold",
    "layers",
    "leave_one_corpus_out",
    "leave_one_speaker_out",
    "lenet5",
    "load_model",
    "metrics",
    "predict_samples",
    "resnet50_head",
    "sample",
    "scale_temperature",
    "spectrogram",
    "timeline",
    "train",
    "vgg16_half_freeze",
    "vgg16_head",
    "whisper_from_preset",
    "write_synthetic_corpus",
]
__version__: str
