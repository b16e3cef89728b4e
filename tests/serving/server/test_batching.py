import asyncio
import threading
import time

import numpy as np
import pytest

from serkit.serving.server.http import HttpError
from serkit.serving.server.service import Batcher
from serkit.serving.server.settings import ServeSettings


class Slow:
    """Doubles, not before it is let; keeps the sizes of batches."""

    def __init__(self) -> None:
        self.sizes, self.go = [], threading.Event()

    def __call__(self, x):
        self.sizes.append(len(x))
        assert self.go.wait(10)
        if (x < 0).any():
            raise ValueError("negative")
        return 2 * x


def _run(settings, test):
    """Run a coroutine with a batcher of these settings."""
    counted = []

    async def inside():
        batcher = Batcher(settings, counted.append)
        batcher.start()
        try:
            return await asyncio.wait_for(test(batcher), 20)
        finally:
            await batcher.stop()

    return asyncio.run(inside()), counted


def _x(value, count=1):
    return {"x": np.full((count, 1), value, "float32")}


@pytest.fixture
def slow():
    slow = Slow()
    yield slow
    slow.go.set()


def test_what_arrives_meanwhile_makes_up_the_next_batch(fake_model, slow):
    model = fake_model(slow)

    async def test(batcher):
        first = asyncio.create_task(batcher.run(model, _x(1)))
        while not slow.sizes:
            await asyncio.sleep(0.01)
        assert batcher.is_busy
        others = [asyncio.create_task(batcher.run(model, _x(n))) for n in range(2, 8)]
        await asyncio.sleep(0.05)
        assert batcher.waiting_examples == 6
        slow.go.set()
        return [found["y"].item() for found in await asyncio.gather(first, *others)]

    found, counted = _run(ServeSettings(batch_delay=0, max_batch=4), test)
    assert found == [2, 4, 6, 8, 10, 12, 14]
    assert slow.sizes == counted == [1, 4, 2]


def test_an_idle_model_waits_for_others_but_not_for_long(fake_model, slow):
    model = fake_model(slow)
    slow.go.set()

    async def test(batcher):
        began = time.monotonic()
        await asyncio.gather(*(batcher.run(model, _x(n)) for n in range(3)))
        three = time.monotonic() - began
        await asyncio.gather(*(batcher.run(model, _x(n)) for n in range(4)))
        return three, time.monotonic() - began - three

    (three, full), counted = _run(ServeSettings(batch_delay=300, max_batch=4), test)
    assert counted == [3, 4]
    assert three >= 0.3
    # Four are as many as there can be: nobody else is worth waiting for.
    assert full < 0.3


def test_a_full_queue_refuses_and_recovers(fake_model, slow):
    model = fake_model(slow)

    async def test(batcher):
        asked = [asyncio.create_task(batcher.run(model, _x(1)))]
        while not slow.sizes:
            await asyncio.sleep(0.01)
        asked += [asyncio.create_task(batcher.run(model, _x(1))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(HttpError, match="3 examples wait") as caught:
            await batcher.run(model, _x(1))
        assert caught.value.code == 503
        slow.go.set()
        await asyncio.gather(*asked)
        assert batcher.waiting_examples == 0
        batcher.check_room(3)
        return (await batcher.run(model, _x(1, 3)))["y"].shape

    assert _run(ServeSettings(queue=3, max_batch=4), test)[0] == (3, 1)


def test_a_request_larger_than_a_batch_gets_one_answer(fake_model, slow):
    model = fake_model(slow)
    slow.go.set()
    values = {"x": np.arange(10, dtype="float32")[:, None]}

    async def test(batcher):
        return (await batcher.run(model, values))["y"]

    found, counted = _run(ServeSettings(max_batch=4, batch_delay=0), test)
    np.testing.assert_array_equal(found, 2 * values["x"])
    assert counted == [4, 4, 2]


def test_who_is_cancelled_leaves_the_queue_and_the_others_stay(fake_model, slow):
    model = fake_model(slow)

    async def test(batcher):
        running = asyncio.create_task(batcher.run(model, _x(1)))
        while not slow.sizes:
            await asyncio.sleep(0.01)
        gone, stays = (asyncio.create_task(batcher.run(model, _x(n))) for n in (2, 3))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        assert batcher.waiting_examples == 1
        running.cancel()
        slow.go.set()
        return (await stays)["y"].item()

    found, counted = _run(ServeSettings(batch_delay=0), test)
    assert found == 6
    assert counted == [1, 1]


def test_one_that_makes_the_model_fail_does_not_fail_the_others(fake_model, slow):
    model = fake_model(slow)
    slow.go.set()

    async def test(batcher):
        asked = [batcher.run(model, _x(value)) for value in (1, -1, 3)]
        return await asyncio.gather(*asked, return_exceptions=True)

    (one, bad, three), _ = _run(ServeSettings(batch_delay=50), test)
    assert (one["y"].item(), three["y"].item()) == (2, 6)
    assert isinstance(bad, ValueError)
    # Together, then each.
    assert slow.sizes == [3, 1, 1, 1]


def test_a_part_that_fails_fails_its_request_and_nothing_is_left(fake_model, slow):
    model = fake_model(slow)
    slow.go.set()
    values = {"x": np.array([[1], [-1], [1], [1], [1]], "float32")}

    async def test(batcher):
        with pytest.raises(ValueError, match="negative"):
            await batcher.run(model, values)
        assert batcher.waiting_examples == 0
        return (await batcher.run(model, _x(4)))["y"].item()

    assert _run(ServeSettings(max_batch=1, batch_delay=0), test)[0] == 8


def test_room_is_kept_for_what_is_expected(fake_model, slow):
    model = fake_model(slow)
    slow.go.set()

    async def test(batcher):
        with batcher.reserve_room(), batcher.reserve_room():
            with pytest.raises(HttpError, match="2 examples wait"), batcher.reserve_room():
                pass
            with pytest.raises(HttpError):
                await batcher.run(model, _x(1))
        with batcher.reserve_room():
            return (await batcher.run(model, _x(1)))["y"].item()

    assert _run(ServeSettings(queue=2, batch_delay=0), test)[0] == 2


def test_a_short_example_does_not_wait_for_a_long_one(fake_model, slow):
    long = {"x": np.zeros((3, 2**21 + 1), "float32")}

    async def test(batcher):
        asked = asyncio.create_task(batcher.run(fake_model(slow), long))
        while not slow.sizes:
            await asyncio.sleep(0.01)
        found = [
            (await batcher.run(fake_model(lambda x: 2 * x), _x(n)))["y"].item() for n in (1, 2)
        ]
        assert not asked.done()
        assert batcher.is_busy
        slow.go.set()
        await asyncio.wait_for(asked, 10)
        return found

    found, counted = _run(ServeSettings(batch_delay=0), test)
    assert found == [2, 4]
    assert counted == [1, 1, 1, 1, 1]
    # The long ones ran one by one.
    assert slow.sizes == [1, 1, 1]
