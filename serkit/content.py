"""What a result depends on, as a name: the same content, the same name, whatever it is called."""

import hashlib
import json
from typing import Any

# To be counted up when the same content gives other results than before.
_RECIPE = 1


def content_key(**parts: Any) -> str:
    """A name of 16 hexadecimal digits for JSON values by name."""
    text = json.dumps({"recipe": _RECIPE, **parts}, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
