"""How an event loop waits for an operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

from ._decnet import Operation
from .types import Event

if TYPE_CHECKING:
    from ._decnet import AioRepo


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


class Opening(Coroutine[Any, Any, "AioRepo"]):
    """A store that is being opened. `await` returns it; `async with` also closes it."""

    def __init__(self, opened: Coroutine[Any, Any, AioRepo]) -> None:
        self._opened = opened
        self._repo: AioRepo | None = None

    def send(self, value: Any, /) -> Any:
        """Continues the coroutine."""
        return self._opened.send(value)

    def throw(self, *error: Any) -> Any:
        """Raises an exception in the coroutine."""
        return self._opened.throw(*error)

    def close(self) -> None:
        """Ends the coroutine."""
        self._opened.close()

    def __await__(self) -> Generator[Any, Any, AioRepo]:
        return self._opened.__await__()

    async def __aenter__(self) -> AioRepo:
        self._repo = await self._opened
        return self._repo

    async def __aexit__(self, *_error: object) -> None:
        if self._repo is not None:
            self._repo.close()
