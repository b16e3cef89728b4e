from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from serkit.serving.protobuf_json import to_rest_json
from serkit.serving.transport import Metadata, VersionStatus, read_metadata, read_status


def test_default_values_of_a_status_are_included():
    entry = get_model_status_pb2.ModelVersionStatus()
    entry.status.error_message = ""
    response = get_model_status_pb2.GetModelStatusResponse(model_version_status=[entry])
    assert to_rest_json(response) == {
        "model_version_status": [
            {
                "version": "0",
                "state": "UNKNOWN",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    assert read_status(to_rest_json(response)) == (VersionStatus(0, "UNKNOWN"),)


def test_metadata_of_version_0():
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name, response.model_spec.version.value = "m", 0
    definitions = get_model_metadata_pb2.SignatureDefMap()
    definitions.signature_def["classes"].inputs["any"].dtype = 0
    response.metadata["signature_def"].Pack(definitions)
    found = to_rest_json(response)
    assert read_metadata(found) == Metadata("m", 0, ("classes",))
    signature = found["metadata"]["signature_def"]["signature_def"]["classes"]
    assert signature["inputs"]["any"]["dtype"] == "DT_INVALID"
