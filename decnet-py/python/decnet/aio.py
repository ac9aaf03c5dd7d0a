"""Stores, engines and agents with coroutines as methods, for asyncio.

Cancelling a task that changes Docker undoes the change first, and then raises CancelledError.

>>> import asyncio
>>> import decnet
>>> async def main() -> None:
...     async with decnet.aio.Repo.memory() as repo, decnet.aio.Engine(repo, decnet.Simulated()) as engine:
...         stored = await repo.create(decnet.generate(name="corp", depth=1, branching_factor=1, seed=1))
...         print((await engine.deploy(stored)).status)
>>> asyncio.run(main())
active
"""

from ._decnet import AioAgent as Agent
from ._decnet import AioEngine as Engine
from ._decnet import AioEvents as Events
from ._decnet import AioLogs as Logs
from ._decnet import AioPrepared as Prepared
from ._decnet import AioPreparedReap as PreparedReap
from ._decnet import AioRepo as Repo

__all__ = ["Agent", "Engine", "Events", "Logs", "Prepared", "PreparedReap", "Repo"]
