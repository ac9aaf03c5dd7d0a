"""The overhead of Python: `generate`, `validate` and `canonical_hash` of 1 000 LANs, here and in Rust; and two threads in parallel.

    cargo build --release --package decnet-benches --bin overhead
    pip install ./decnet-py
    python decnet-py/benches/overhead.py target/release/overhead
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import decnet

ROUNDS = 41
CONFIG = {
    "name": "large",
    "depth": 9,
    "branching_factor": 3,
    "deckies_per_lan_min": 2,
    "deckies_per_lan_max": 4,
    "subnet_base_prefix": "10.0.0.0/8",
    "cross_edge_probability": 0.2,
    "lan_prefix": 24,
}


def fastest(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Times a function: returns the minimum of several rounds, which depends least on other load."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def generate_and_check(seed: int) -> decnet.Topology:
    maze = decnet.generate(CONFIG, seed=seed)
    assert maze.validate().is_clean
    maze.canonical_hash()
    return maze


def time_threads(count: int, work: Callable[[], object]) -> float:
    threads = [threading.Thread(target=work) for _ in range(count)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def main() -> None:
    seed, lans, rust = subprocess.run(sys.argv[1:2], check=True, capture_output=True, text=True).stdout.split()
    maze = generate_and_check(int(seed))
    assert len(maze.lans) == int(lans)
    python = fastest(lambda: generate_and_check(int(seed)))
    # Again after Python, so that both run under the same load.
    again = subprocess.run(sys.argv[1:2], check=True, capture_output=True, text=True).stdout.split()[2]
    native = min(float(rust), float(again))
    print(f"{lans} LANs: Rust {native * 1e3:.2f} ms, Python {python * 1e3:.2f} ms, ratio {python / native:.2f}")
    one, two = (time_threads(count, lambda: fastest(maze.validate, 10 * ROUNDS)) for count in (1, 2))
    print(f"validating: one thread {one * 1e3:.0f} ms, two threads with twice the work {two * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
