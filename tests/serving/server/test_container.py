"""The container of ``serkit serve``: docs/serving/Containerfile, and its part of compose.yaml."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import yaml

import serkit
from serkit.cli.parser import build_parser
from serkit.serving.transport import REST_PORT

PROJECT = Path(serkit.__file__).parents[1]
RECIPES = PROJECT / "docs" / "serving"


def _instructions() -> list[tuple[str, str]]:
    """Instructions of the Containerfile with their arguments."""
    text = (RECIPES / "Containerfile").read_text("utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(name, arguments) for name, _, arguments in (line.partition(" ") for line in lines)]


def test_the_container_of_serkit_serve_is_built_of_what_is_there():
    found = _instructions()
    assert found[0][0] == "FROM"
    assert f"python:{sys.version_info.major}.{sys.version_info.minor}-" in found[0][1]
    for name, arguments in found:
        for source in arguments.split()[:-1] if name == "COPY" else ():
            assert (PROJECT / source).exists()
    # The environment that the other commands have, and the package's own build tools in it.
    lock = (PROJECT / "requirements.lock").read_text("utf-8")
    assert {"setuptools", "uvicorn"} <= set(re.findall(r"^([\w-]+)==", lock, re.MULTILINE))
    assert ("USER", "65534:65534") in found


def test_the_container_of_serkit_serve_starts_it_and_asks_whether_it_is_well(
    start_server, contract_model
):
    by_name = dict(_instructions())
    words = json.loads(by_name["ENTRYPOINT"]) + json.loads(by_name["CMD"])
    assert words[0] == "serkit"
    options = build_parser().parse_args(words[1:])
    assert (options.host, options.port) == ("0.0.0.0", REST_PORT)
    assert by_name["EXPOSE"] == str(REST_PORT)
    page = yaml.safe_load((RECIPES / "compose.yaml").read_text("utf-8"))["services"]["page"]
    assert page["ports"] == [f"127.0.0.1:{REST_PORT}:{REST_PORT}"]
    assert page["volumes"][0].endswith(f":{options.model}:ro")
    assert (RECIPES / page["build"]["context"] / page["build"]["dockerfile"]).is_file()
    assert page["read_only"]
    address, process = start_server(contract_model)
    python, option, check = json.loads(by_name["HEALTHCHECK"].partition("CMD ")[2])
    check = check.replace(f"127.0.0.1:{REST_PORT}", urlsplit(address).netloc)
    command = [python.replace("python", sys.executable), option, check]
    assert subprocess.run(command, check=False).returncode == 0
    process.terminate()
    process.wait(30)
    assert subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 1
