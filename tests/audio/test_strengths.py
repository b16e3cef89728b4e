import argparse
import subprocess
import sys

import pytest

from serkit.audio.augmentation import WaveAugmentation
from serkit.augmentation.arms import STRENGTHS, add_live, augmentation_of
from serkit.errors import InputError


def test_each_switches_on_one_thing():
    for name, (setting, strength) in STRENGTHS.items():
        found = augmentation_of([name])
        assert getattr(found, setting) == strength
        assert found != WaveAugmentation() == augmentation_of([])
    assert augmentation_of(["noise", "speed"]) == WaveAugmentation((0.9, 1.1), snr_db=(10.0, 30.0))
    with pytest.raises(InputError, match="augmentation='echo' is not known"):
        augmentation_of(["echo"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [([], None), (["--live"], []), (["--live", "noise", "speed"], ["noise", "speed"])],
)
def test_the_option_is_none_or_names(given, expected):
    parser = argparse.ArgumentParser()
    add_live(parser)
    assert parser.parse_args(given).live == expected


def test_help_needs_no_tensorflow():
    code = "import sys, serkit.augmentation.arms; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
