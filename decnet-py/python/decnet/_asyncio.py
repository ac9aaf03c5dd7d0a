"""How an event loop waits for an operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ._decnet import Operation
from .types import Event


async def wait(operation: Operation, progress: Callable[[Event], object] | None) -> Any:
    """Starts an operation and returns its result. A cancellation of the task cancels it, and is raised after the undo."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    interruption: BaseException | None = None
    done = False
    operation.start(progress is not None)
    while not done:
        operation.listen(lambda: loop.call_soon_threadsafe(arrived.set))
        try:
            await arrived.wait()
            arrived.clear()
            done = operation.is_done()
            for event in operation.take_events():
                assert progress is not None
                progress(event)
        except (Exception, asyncio.CancelledError) as error:
            interruption = interruption or error
            operation.ignore_events()
            operation.cancel()
    if interruption is None:
        return operation.result()
    try:
        operation.result()
    except Exception as error:
        raise interruption from error
    raise interruption
