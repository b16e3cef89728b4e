"""The recipes for TF Serving, and what docs/serving.md shows."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

import serkit
from serkit.serving.retries import ClientSettings
from serkit.serving.server.settings import ServeSettings
from serkit.serving.transport import GRPC_PORT, REST_PORT

PROJECT = Path(serkit.__file__).parents[1]
RECIPES = PROJECT / "docs" / "serving"
DOCUMENT = (PROJECT / "docs" / "serving.md").read_text("utf-8")
FLAGS = {
    "--enable_batching": "true",
    "--batching_parameters_file": "/etc/serving/batching.txt",
    "--monitoring_config_file": "/etc/serving/monitoring.txt",
    "--rest_api_timeout_in_ms": "60000",
    "--file_system_poll_wait_seconds": "30",
}
# As in TF Serving's session_bundle_config.proto and monitoring_config.proto.
BATCHING = {
    **{"max_batch_size": 1, "batch_timeout_micros": 2},
    **{"max_enqueued_batches": 3, "num_batch_threads": 4},
}


def _compose() -> dict:
    return yaml.safe_load((RECIPES / "compose.yaml").read_text("utf-8"))["services"]["emotions"]


def _kubernetes() -> dict[str, dict]:
    parts = yaml.safe_load_all((RECIPES / "kubernetes.yaml").read_text("utf-8"))
    return {part["kind"]: part for part in parts}


def _container() -> dict:
    (container,) = _kubernetes()["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


def _message(name: str, fields: list[tuple]):
    """A class for a protobuf of the given fields, which is not among the installed ones."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", syntax="proto3")
    inner = file.message_type.add(name="Inner")
    outer = file.message_type.add(name=name)
    for message, field, number, kind in fields:
        one = (inner if message == "Inner" else outer).field.add(name=field, number=number)
        one.label, one.type = one.LABEL_OPTIONAL, getattr(one, f"TYPE_{kind.upper()}")
        if kind == "message":
            one.type_name = ".Inner"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def test_batching_is_what_tf_serving_reads_and_clients_send():
    fields = [("Outer", field, number, "message") for field, number in BATCHING.items()]
    kind = _message("BatchingParameters", [("Inner", "value", 1, "int64"), *fields])
    found = text_format.Parse((RECIPES / "batching.txt").read_text("utf-8"), kind())
    assert all(getattr(found, name).value > 0 for name in BATCHING)
    assert found.max_batch_size.value >= ClientSettings().batch_examples
    limits = _container()["resources"]["limits"]
    assert str(found.num_batch_threads.value) == limits["cpu"]
    assert limits["cpu"] == _compose()["deploy"]["resources"]["limits"]["cpus"]


def test_monitoring_is_what_tf_serving_reads_and_prometheus_asks_for():
    fields = [("Inner", "enable", 1, "bool"), ("Inner", "path", 2, "string")]
    fields.append(("Outer", "prometheus_config", 1, "message"))
    text = (RECIPES / "monitoring.txt").read_text("utf-8")
    found = text_format.Parse(text, _message("MonitoringConfig", fields)()).prometheus_config
    assert found.enable
    told = _kubernetes()["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert told["prometheus.io/path"] == found.path
    assert told["prometheus.io/port"] == str(REST_PORT)


def test_one_image_of_the_locked_tensorflow():
    images = {_compose()["image"], _container()["image"]}
    assert images == {"tensorflow/serving:2.17.1"}
    lines = (PROJECT / "requirements.lock").read_text().splitlines()
    assert "tensorflow==2.17.1 \\" in lines


def test_one_set_of_flags():
    for flags in (_compose()["command"], _container()["args"]):
        assert dict(flag.split("=", 1) for flag in flags) == FLAGS
    # No less patient than the client, which would be told of a failure that is none.
    assert int(FLAGS["--rest_api_timeout_in_ms"]) >= 1000 * ClientSettings().read_seconds


def test_ports_are_those_that_clients_know():
    assert _compose()["ports"] == [f"127.0.0.1:{port}:{port}" for port in (GRPC_PORT, REST_PORT)]
    ports = {port["name"]: port["containerPort"] for port in _container()["ports"]}
    assert ports == {"grpc": GRPC_PORT, "rest": REST_PORT}
    service = _kubernetes()["Service"]["spec"]["ports"]
    assert {one["targetPort"]: one["port"] for one in service} == ports


def test_one_name_for_the_model():
    (name,) = (one["value"] for one in _container()["env"] if one["name"] == "MODEL_NAME")
    assert _compose()["environment"]["MODEL_NAME"] == name == "emotions"
    assert f"/models/{name}:ro" in _compose()["volumes"][0]
    models, *_ = _container()["volumeMounts"]
    assert (models["mountPath"], models["subPath"]) == (f"/models/{name}", name)
    probes = {kind: _container()[f"{kind}Probe"]["httpGet"] for kind in ("readiness", "liveness")}
    assert probes["readiness"] == {"path": f"/v1/models/{name}/metadata", "port": "rest"}
    assert probes["liveness"] == {"path": f"/v1/models/{name}", "port": "rest"}


def test_parts_of_the_cluster_belong_together():
    parts = _kubernetes()
    assert set(parts) == {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget"}
    deployment = parts["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"].items()
    for selector in (
        deployment["selector"]["matchLabels"],
        parts["Service"]["spec"]["selector"],
        parts["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    # One may be taken away, and two are still there.
    assert deployment["replicas"] == parts["PodDisruptionBudget"]["spec"]["minAvailable"] + 1
    volumes = {one["name"]: one for one in deployment["template"]["spec"]["volumes"]}
    assert volumes["config"]["configMap"]["name"] == parts["ConfigMap"]["metadata"]["name"]
    assert {one["name"] for one in _container()["volumeMounts"]} == set(volumes)
    for name, text in parts["ConfigMap"]["data"].items():
        assert text == (RECIPES / name).read_text("utf-8")


def _nginx(text: str) -> list:
    """Directives of an nginx configuration: lists of words; that of a block ends with a list."""
    tokens = re.findall(r'"[^"]*"|[{};]|[^\s{};]+', re.sub(r"#.*", "", text))
    stack, words = [[]], []
    for token in tokens:
        if token == ";":
            stack[-1].append(words)
            words = []
        elif token == "{":
            stack[-1].append([*words, []])
            stack.append(stack[-1][-1][-1])
            words = []
        elif token == "}":
            assert not words
            stack.pop()
        else:
            words.append(token.strip('"'))
    assert not words
    (found,) = stack
    return found


def test_the_proxy_with_tls_fits_the_server():
    (server,) = _nginx((RECIPES / "nginx.conf").read_text("utf-8"))
    assert server[0] == "server"
    directives = {name: values for name, *values in server[1] if name != "location"}
    assert directives["listen"] == ["443", "ssl"]
    assert {"ssl_certificate", "ssl_certificate_key"} <= set(directives)
    settings = ServeSettings()
    assert directives["client_max_body_size"] == [f"{settings.max_bytes >> 20}m"]
    assert directives["client_body_timeout"] == [f"{settings.time_out:g}s"]
    # The server says 504 before the proxy does.
    assert float(directives["proxy_read_timeout"][0][:-1]) > settings.time_out
    locations = {tuple(words): inner for name, *words, inner in server[1] if name == "location"}
    assert locations[("=", "/metrics")] == [["return", "404"]]
    proxy = locations[("/",)]
    assert ["proxy_pass", f"http://127.0.0.1:{REST_PORT}"] in proxy
    # Otherwise the server would see neither the allowed host nor the origin of its own page.
    assert ["proxy_set_header", "Host", "$http_host"] in proxy
    (name,) = directives["server_name"]
    assert f"--allowed-host {name}" in DOCUMENT


def test_nothing_may_be_written_and_nobody_is_root():
    compose, container = _compose(), _container()
    assert compose["read_only"]
    assert compose["user"] == "65534:65534"
    assert compose["cap_drop"] == container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert all(volume.endswith(":ro") for volume in compose["volumes"])
    for part in compose["volumes"][1:]:
        assert (RECIPES / part.split(":")[0]).is_file()
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert all(one.get("readOnly") for one in container["volumeMounts"] if one["name"] != "tmp")
    pod = _kubernetes()["Deployment"]["spec"]["template"]["spec"]["securityContext"]
    assert (pod["runAsNonRoot"], pod["runAsUser"]) == (True, 65534)


def test_the_health_check_knows_who_is_well(rest_server):
    *_, shell, option, script = _compose()["healthcheck"]["test"]
    port = str(rest_server.server_port)
    for name, status in (("emotions", 0), ("other", 1)):
        command = script.replace(str(REST_PORT), port).replace("emotions", name)
        assert subprocess.run([shell, option, command], check=False).returncode == status
    rest_server.faults = [503]
    command = script.replace(str(REST_PORT), port)
    assert subprocess.run([shell, option, command], check=False).returncode == 1


@pytest.fixture
def speech(synthetic_corpus, tmp_path, monkeypatch) -> Path:
    shutil.copy(synthetic_corpus.files()[0], tmp_path / "speech.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "speech.wav"


def _here(code: str, rest_server) -> str:
    assert "localhost:8501" in code
    return code.replace("localhost:8501", f"127.0.0.1:{rest_server.server_port}")


def test_the_lines_of_curl(speech, rest_server):
    if not shutil.which("curl"):
        pytest.skip("no curl")
    answers = []
    for code in re.findall(r"```bash\n(.*?)```", DOCUMENT, re.DOTALL):
        command = ["bash", "-o", "pipefail", "-c", _here(code, rest_server)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        answers.append(json.loads(done.stdout))
    default, classes, sampled, short = answers
    assert short == default
    (names,) = classes["predictions"]
    (row,) = default["predictions"]
    from serkit.serving.client import connect

    with connect(rest_server.address) as client:
        (expected,) = client.predict(["speech.wav"])
        (often,) = client.predict(["speech.wav"], 100)
    assert names == list(expected.probabilities)
    assert row["label"] == expected.label
    assert row["probabilities"] == pytest.approx(list(expected.probabilities.values()), abs=1e-6)
    found = sampled["predictions"][0]["probabilities"]
    assert found == pytest.approx(list(often.probabilities.values()), abs=1e-6)


def test_the_lines_of_python(speech, rest_server, capsys):
    _, code = _python_blocks()
    exec(compile(_here(code, rest_server), "serving.md", "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("speech.wav ")
    assert second.startswith("('angry', 'happy', 'sad') AVAILABLE (")


def _python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


def test_the_lines_of_python_without_a_server(speech, contract_model, capsys):
    folder = speech.parent / "folder"
    folder.mkdir()
    for path in (speech.parent / "a.wav", folder / "b.wav"):
        shutil.copy(speech, path)
    code, _ = _python_blocks()
    code = code.replace("saved_models/mine", str(contract_model))
    exec(compile(code, "serving.md", "exec"), {})
    one, of_folder = capsys.readouterr().out.splitlines()
    label = one.split()[0]
    assert label in ("angry", "happy", "sad")
    assert of_folder.endswith(f"b.wav {label}")


def test_every_file_it_names_is_there():
    for name in re.findall(r"\]\((?!http|#)([^)#]+)", DOCUMENT):
        assert (PROJECT / "docs" / name).is_file(), name
