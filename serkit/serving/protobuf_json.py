"""Convert protobuf messages to JSON values as TF Serving's REST API does."""

import inspect
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message


def to_rest_json(message: Message) -> dict[str, Any]:
    """Convert a message to JSON values: original field names, default values included."""
    # protobuf 5 has renamed the argument that includes default values.
    option_names = ("always_print_fields_with_no_presence", "including_default_value_fields")
    parameters = inspect.signature(json_format.MessageToDict).parameters
    options: dict[str, Any] = {name: True for name in option_names if name in parameters}
    return json_format.MessageToDict(message, preserving_proto_field_name=True, **options)
