"""A model's versions while they are served: which there are, and whether they are ready."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.serving.server.batching import Batcher
from serkit.serving.server.body import Allowance
from serkit.serving.server.metrics import Metrics
from serkit.serving.server.model_folder import model_name, versions_to_serve
from serkit.serving.server.refusal import Refusal
from serkit.serving.server.serve_settings import ServeSettings

if TYPE_CHECKING:
    from serkit.serving.server.loaded import LoadedVersion


class Service:
    """What all requests share.

    Args:
        model: a folder of versions, or of one.
        settings: how to serve it.

    Attributes:
        name: of the model, in addresses.
        versions: those that are loaded and warmed up, by number.
        failure: why loading ended, if it did.
        batcher, metrics, allowance, json_thread: of this server.

    Raises:
        InputError: if there is no model in the folder.
    """

    def __init__(self, model: Path, settings: ServeSettings) -> None:
        self.settings = settings
        self.name = settings.name or model_name(model)
        self.paths = versions_to_serve(model, settings.versions)
        self.versions: dict[int, LoadedVersion] = {}
        self.failure: Exception | None = None
        self.allowance = Allowance(4 * settings.max_bytes)
        self.metrics = Metrics(lambda: self.batcher.waiting)
        self.batcher = Batcher(settings, self.metrics.count_batch)
        # One of them, so that of many long bodies one at a time is taken apart.
        self.json_thread = ThreadPoolExecutor(1, "json")
        self._loading_thread = ThreadPoolExecutor(1, "load")

    @property
    def is_busy(self) -> bool:
        """Whether one of its threads is still at work, on a batch or on loading."""
        return self.batcher.is_busy or not (self.is_ready or self.failure)

    @property
    def is_ready(self) -> bool:
        """Whether all versions are loaded and warmed up."""
        return len(self.versions) == len(self.paths)

    async def load(self) -> None:
        """Load all versions, in a thread; what goes wrong is kept in ``failure``."""
        loop = asyncio.get_running_loop()
        try:
            for number, path in reversed(self.paths.items()):
                asked = number, path, self.settings.warm_up
                loaded = loop.run_in_executor(self._loading_thread, _load, *asked)
                self.versions[number] = await loaded
        # Nobody awaits this: whoever started the server looks at it.
        except Exception as error:
            logging.getLogger("serkit").error("%s", error)
            self.failure = error

    def newest(self) -> "LoadedVersion":
        """The version that answers if none is asked for.

        Raises:
            Refusal: 503, while it is loaded.
        """
        return self.find(self.name, None)

    def find(self, name: str, number: int | None) -> "LoadedVersion":
        """A version; the newest if no number is given.

        Raises:
            Refusal: 404 for what is not served, 503 for what is not loaded yet.
        """
        asked = max(self.paths) if number is None else number
        if name != self.name or asked not in self.paths:
            wanted = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise Refusal(404, f"Servable not found for request: {wanted}")
        if asked not in self.versions:
            raise Refusal(503, f"version {asked} of {name} is being loaded")
        return self.versions[asked]

    def status(self, name: str, number: int | None) -> dict[str, Any]:
        """States of a version, or of all, as TF Serving tells them.

        Raises:
            Refusal: 404 for what is not served.
        """
        if name != self.name:
            raise Refusal(404, f"Could not find any versions of model {name}")
        if number is not None and number not in self.paths:
            raise Refusal(404, f"Could not find version {number} of model {name}")
        numbers = sorted(self.paths, reverse=True) if number is None else [number]
        return {
            "model_version_status": [
                {
                    "version": str(one),
                    "state": "AVAILABLE" if one in self.versions else "LOADING",
                    "status": {"error_code": "OK", "error_message": ""},
                }
                for one in numbers
            ]
        }


def _load(number: int, path: Path, warm: bool) -> "LoadedVersion":
    # TensorFlow takes seconds to import; the server answers in the meantime.
    from serkit.serving.server.loaded import load_version
    from serkit.serving.server.warm_up import warm_up

    version = load_version(number, path)
    if warm:
        warm_up(version)
    return version
