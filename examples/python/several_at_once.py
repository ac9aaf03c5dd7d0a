"""Raises several mazes at once from asyncio, each past the subnets of the others, and follows what happens."""

import asyncio

import decnet
from decnet import aio


async def main() -> None:
    async with aio.Repo.memory() as repo, aio.Engine(repo, decnet.Simulated()) as engine:
        mazes = []
        for seed in range(3):
            reserved = [claim["subnet"] for claim in await repo.claims()]
            maze = decnet.generate(name=f"lab {seed}", depth=1, branching_factor=2, seed=seed, reserved=reserved)
            mazes.append(await repo.create(maze))

        events = await engine.events(timeout=0)
        outcomes = await asyncio.gather(*(engine.deploy(maze) for maze in mazes))
        print([outcome.status for outcome in outcomes])
        print(len([event async for event in events]), "events")
        await asyncio.gather(*(engine.teardown(maze) for maze in mazes))


asyncio.run(main())
