import signal
import subprocess
import sys

import pytest

from serkit.cli.interrupts import Interrupts


@pytest.fixture(autouse=True)
def as_python_starts():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_outside_of_imports_ctrl_c_raises():
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)
    # As it was before.
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_interrupt_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_during_an_import_ctrl_c_ends_the_process(tmp_path):
    swallowing = (
        "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept BaseException:"
    )
    (tmp_path / "swallowing.py").write_text(f"{swallowing}\n    pass\n")
    code = "from serkit.cli.interrupts import Interrupts\n"
    code += "with Interrupts():\n    import swallowing\nprint('went on')"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nserkit: interrupted\n")
