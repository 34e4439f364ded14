"""Changes what one provider says, and what it is asked, guided by the code that is reached.

`python -m tests.fuzz_targets PROVIDER SECONDS`. Needs `atheris`, on Linux or macOS. Prints each
place that raises what it must not, once, and keeps the input; the exit status is 1 if there was
any, or if an input took too long or too much memory. What was found goes into `test_fuzz`.

An input is two bytes and a text. The first byte tells who speaks, the second which case of the
provider's the call is from, and the size of the pieces of a stream.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

try:
    import atheris
except ImportError:
    atheris = None
else:
    # Only what is first imported here is watched.
    with atheris.instrument_imports(include=["transforms"]):
        import transforms  # noqa: F401

from tests import fuzzing
from tests.cases import STREAM, Case, all_cases, decode
from transforms import PROVIDERS
from transforms.contract import Call, Provider
from transforms.json_text import loads

LARGEST_INPUT = 20_000
LARGEST_MB = 1024
LONGEST_SECONDS = 10

ROLES = (STREAM, "provider_response.json", "provider_error.json", "request.json")
"""Who speaks, by the first byte."""


class Seed(NamedTuple):
    """What one case says in one role."""

    call: Call
    text: bytes


class Target:
    """Everything of one provider that takes what others say."""

    def __init__(self, name: str) -> None:
        self._provider: Provider = PROVIDERS[name]
        cases = [case for case in all_cases() if case.provider.name == name]
        self._seeds = [[_seed(case, role) for case in cases if case.has(role)] for role in ROLES]

    def seeds(self) -> list[bytes]:
        """The inputs that the cases are."""
        return [
            bytes([role, place]) + seed.text
            for role, seeds in enumerate(self._seeds)
            for place, seed in enumerate(seeds[:256])
        ]

    def run(self, given: bytes) -> None:
        """Raises if something does not hold that must."""
        if len(given) < 2:
            return
        role, place, text = given[0] % len(ROLES), given[1], given[2:]
        call = self._seeds[role][place % len(self._seeds[role])].call
        if role == 0:
            fuzzing.read_body(self._provider, call, text, place + 1)
            return
        try:
            said = loads(text)
        except ValueError:
            said = text.decode("utf-8", "replace")
        match role:
            case 1:
                fuzzing.read_answer(self._provider, call, said)
            case 2:
                fuzzing.read_error(self._provider, 400 + place, said)
            case _:
                fuzzing.build(self._provider, call, said)

    def mutate(self, given: bytes, largest: int, number: int) -> bytes:
        """The input changed where it means something, if it means anything, or anywhere."""
        chance = random.Random(number)
        text = self._changed(given[0] % len(ROLES), given[2:], chance) if len(given) > 2 else None
        if text is None or len(text) > largest - 2 or not chance.randrange(4):
            return bytes(atheris.Mutate(given, largest))
        return given[:2] + text

    def _changed(self, role: int, text: bytes, chance: random.Random) -> bytes | None:
        try:
            if role == 0:
                events = fuzzing.changed_events(decode(self._provider, [text]), chance)
                return fuzzing.framed(self._provider, events)
            return json.dumps(fuzzing.changed(loads(text), chance)).encode()
        # What does not read has no parts to change.
        except (ValueError, RecursionError, fuzzing.TransformError):
            return None


def _seed(case: Case, role: str) -> Seed:
    if role == STREAM:
        return Seed(case.call, case.stream)
    said: Any = case.json(role.removesuffix(".json"))
    if role == "provider_error.json":
        said = said["body"]
    return Seed(case.call, json.dumps(said).encode())


class Faults:
    """What was raised that must not be; what comes from one place is told and kept once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: set[str] = set()

    def watched(self, run: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """The target, going on past what it finds."""

        def told(given: bytes) -> None:
            try:
                run(given)
            except Exception as exc:
                self._note(exc, given)

        return told

    def _note(self, exc: Exception, given: bytes) -> None:
        last = traceback.extract_tb(exc.__traceback__)[-1]
        place = f"{type(exc).__name__} {last.filename}:{last.lineno}"
        if place not in self._places:
            self._places.add(place)
            traceback.print_exception(exc)
            print(f"INPUT {given!r}", flush=True)
            (self._folder / f"fault-{len(self._places)}").write_bytes(given)


def main() -> int:
    """Fuzzes one provider."""
    if len(sys.argv) < 3 or sys.argv[1] not in PROVIDERS:
        print((__doc__ or "").partition("\n\n")[2], f"PROVIDER is one of {', '.join(PROVIDERS)}.")
        return 2
    if atheris is None:
        print("atheris is not installed: pip install 'atheris>=3,<4'")
        return 2
    if len(sys.argv) > 3:
        _fuzz(*sys.argv[1:])
    return _look_on(*sys.argv[1:3])


def _look_on(name: str, seconds: str) -> int:
    """Lets another process do it, since libFuzzer ends the one it is in as it likes."""
    found = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    with tempfile.TemporaryDirectory() as corpus:
        command = [sys.executable, "-m", "tests.fuzz_targets", name, seconds, corpus, str(found)]
        status = subprocess.run(command, check=False).returncode
    if any(found.iterdir()):
        print(f"The inputs are in {found}")
        return 1
    found.rmdir()
    return status


def _fuzz(name: str, seconds: str, corpus: str, found: str) -> None:
    target = Target(name)
    for number, seed in enumerate(target.seeds()):
        (Path(corpus) / f"{number:03}").write_bytes(seed)
    settings = {
        "max_total_time": seconds,
        "max_len": LARGEST_INPUT,
        "rss_limit_mb": LARGEST_MB,
        "timeout": LONGEST_SECONDS,
        "artifact_prefix": f"{found}/",
    }
    arguments = [f"-{setting}={value}" for setting, value in settings.items()]
    watched = Faults(Path(found)).watched(target.run)
    atheris.Setup([sys.argv[0], *arguments, corpus], watched, custom_mutator=target.mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
