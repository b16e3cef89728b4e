"""On what TF Serving itself answered, shortened."""

import pytest

from serkit.serving.transport import Metadata, VersionStatus, read_metadata, read_status

STATUS = {
    "model_version_status": [
        {"version": "1", "state": "END", "status": {"error_code": "OK", "error_message": ""}},
        {
            "version": "12",
            "state": "LOADING",
            "status": {"error_code": "UNKNOWN", "error_message": "no room"},
        },
    ]
}
METADATA = {
    "model_spec": {"name": "half", "signature_name": "", "version": "123"},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "__saved_model_init_op": {"inputs": {}, "outputs": {}, "method_name": ""},
                "serving_default": {
                    "inputs": {"x": {"dtype": "DT_FLOAT"}},
                    "outputs": {"y": {"dtype": "DT_STRING"}},
                },
            }
        }
    },
}


def test_versions_newest_first():
    assert read_status(STATUS) == (
        VersionStatus(12, "LOADING", "no room"),
        VersionStatus(1, "END"),
    )


def test_signatures():
    found = read_metadata(METADATA)
    assert found == Metadata("half", 123, ("serving_default",))


@pytest.mark.parametrize("answer", [{}, {"model_version_status": [{}]}, [], {"metadata": []}])
def test_what_is_something_else(answer):
    for read in (read_status, read_metadata):
        with pytest.raises((KeyError, TypeError, ValueError)):
            read(answer)
