"""Deploys several mazes at once from asyncio, with subnets that do not overlap, and follows their events."""

import asyncio

import decnet
from decnet import aio


async def main() -> None:
    async with aio.Repo.memory() as repo, aio.Engine(repo, decnet.Simulated()) as engine:
        labs = (engine.generate(name=f"lab {seed}", depth=1, branching_factor=2, seed=seed) for seed in range(3))
        mazes = await asyncio.gather(*labs)

        events = await engine.events()
        outcomes = await asyncio.gather(*(engine.deploy(maze) for maze in mazes))
        print([outcome.status for outcome in outcomes])
        await asyncio.gather(*(engine.teardown(maze) for maze in mazes))

        up = len(mazes)
        async for event in events:
            if event["type"] == "status":
                print(event["name"], "is", event["payload"]["to"])
                up -= event["payload"]["to"] == "torn_down"
            if up == 0:
                break


asyncio.run(main())
