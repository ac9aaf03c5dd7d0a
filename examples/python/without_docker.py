"""Deploys a maze on a simulated daemon, breaks it, repairs it, changes it while it runs, and tears it down."""

import decnet

docker = decnet.Simulated()
with decnet.Repo.memory() as repo:
    engine = decnet.Engine(repo, docker)
    stored = engine.generate(name="corp", depth=2, branching_factor=2, seed=7)
    prepared = engine.prepare(stored)
    print(prepared)

    outcome = prepared.execute(progress=lambda event: print(event["topic"]))
    assert outcome.status == "active" and engine.prepare(stored).plan.is_empty

    docker.remove(next(name for name in docker.containers if "." in name))
    print("repaired:", engine.reconcile(stored).changed, "change(s)")

    mutation = decnet.Mutation.add_decky("honey", stored.topology.lans[1].name, services=["ssh", "smb"])
    done = engine.submit(stored, mutation, wait=True, actor="the example")
    print(done)

    print(engine.teardown(stored).status)
    engine.delete(stored)
assert not docker.containers
