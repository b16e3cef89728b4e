import subprocess
import sys

import pytest

from serkit.audio.augmentation import WaveAugmentation
from serkit.augmentation.arms import WAVE_AUGMENTATIONS, wave_augmentation
from serkit.errors import InputError


def test_each_name_switches_on_one_augmentation():
    for name, arguments in WAVE_AUGMENTATIONS.items():
        settings = wave_augmentation([name])
        assert settings == WaveAugmentation(**arguments)
        assert settings != WaveAugmentation() == wave_augmentation([])
    assert wave_augmentation(["noise", "speed"]) == WaveAugmentation(
        speed=(0.9, 1.1), snr_db=(10.0, 30.0)
    )
    with pytest.raises(InputError, match=r"augmentation.*echo"):
        wave_augmentation(["echo"])


def test_help_needs_no_tensorflow():
    code = "import sys, serkit.cli.arguments; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
