"""The rules of the tree: who imports whom, what a provider owes, how the code is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.cases import FIXTURES, Case, all_cases
from transforms import PROVIDERS

ROOT = Path(__file__).parent.parent

RANKS = {
    "addon": 0,
    "interception": 1,
    "inspection": 2,
    "routes": 2,
    "recording": 3,
    "migrations": 4,
    "models": 5,
    "transforms": 5,
}
"""Our packages, outermost first. A module imports from its own package or from inner ones."""

SHARED = {
    *(
        "assembly",
        "beside",
        "chat_request",
        "claude",
        "contract",
        "drafts",
        "errors",
        "framing",
        "history",
    ),
    *("json_text", "media", "room", "schemas", "tools", "values"),
}
"""What the providers in `transforms/` are built on."""

OUTSIDE_WORLD = {
    "mitmproxy",
    "peewee",
    "playhouse",
    *("time", "random", "secrets", "uuid", "os", "pathlib", "io", "tempfile", "shutil"),
    *("socket", "ssl", "http", "urllib.request", "asyncio", "selectors", "subprocess", "threading"),
    *("httpx", "requests", "aiohttp", "openai", "anthropic", "ollama"),
}
"""A transform reads no clock, no chance, no environment, no file and no network."""

BROAD_EXCEPTS = {
    # Whatever keeps a database from being opened ends the start, and says why.
    "addon.py": 1,
    # The border around the hooks: mitmproxy would let the flow go on untranslated.
    "interception/border.py": 1,
    # An addon of another's that fails when looked at is left to mitmproxy's own border.
    "interception/dispatch.py": 1,
    # A timer's border: the loop would log the failure with its words.
    "interception/call_in_flight.py": 1,
    # The border around a stream: mitmproxy would leave the client waiting.
    "interception/streams.py": 2,
    # The writer outlives whatever a database driver raises, and no fault of a row's is another's.
    "recording/writer.py": 4,
    # Fuzzing goes on past what it found.
    "tests/fuzz_targets.py": 1,
}
"""The only places that catch everything, and how many they are."""

DEMANDED_CASES = {
    "plain_text": {"provider_request.json", "provider_response.json", "response.json"},
    "tool_call": {"provider_request.json", "provider_response.json", "response.json"},
    "streamed_text": {"provider_request.json", "provider_stream.*", "response.json"},
    "streamed_tool_call": {"provider_request.json", "provider_stream.*", "response.json"},
    "error": {"provider_error.json", "error.json"},
    "truncated_stream": {"provider_stream.*", "error.json"},
}

COLLECTIONS = {"clients", "LICENSES"}
"""Fixture folders that hold no cases: requests as known clients send them, and the licences of
the projects whose recorded exchanges the cases come from."""

ROLES = re.compile(
    r"case\.toml|error\.json|request\.json|response\.json"
    r"|provider_(error|request|response)\.json|provider_stream\.[a-z]+"
)

LONGEST_FUNCTION = 60

LARGEST_FIXTURE = 20_000

MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|root|Users|work|mnt)/\w|[A-Z]:\\Users")

CREDENTIAL = re.compile(
    r"\b(?:sk|gsk|xai|r8|hf)[-_][A-Za-z0-9_-]{20,}|AIza[\w-]{30,}|\bAKIA[A-Z0-9]{16}\b"
    r"|\beyJ[\w-]{20,}\.|Bearer [\w-]{20,}"
)


def sources(*, tests: bool = False) -> list[Path]:
    """The Python files of the project, those of the tests only if asked."""
    folders = [*RANKS, "benchmarks", *(["tests"] if tests else [])]
    files = [ROOT / f"{name}.py" for name in folders if (ROOT / f"{name}.py").exists()]
    return files + [path for name in folders for path in sorted((ROOT / name).rglob("*.py"))]


def by_path(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in paths]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """The full names of the modules a file imports, wherever in the file it does."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# Imports


@pytest.mark.parametrize("path", by_path(sources()))
def test_imports_point_inwards(path: Path) -> None:
    package = path.relative_to(ROOT).with_suffix("").parts[0]
    if package not in RANKS:
        pytest.skip("not part of the program")
    allowed = {name for name, rank in RANKS.items() if rank > RANKS[package] or name == package} - {
        "addon"
    }

    used = {name.partition(".")[0] for name in imported(path)} & RANKS.keys()

    assert used <= allowed


@pytest.mark.parametrize("path", by_path(sorted((ROOT / "transforms").rglob("*.py"))))
def test_transforms_know_nothing_of_the_outside_world(path: Path) -> None:
    used = {
        name
        for name in imported(path)
        if any(f"{name}.".startswith(f"{outside}.") for outside in OUTSIDE_WORLD)
    }
    calls = {
        node.func.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert used == set()
    assert not calls & {"now", "utcnow", "today"}


def transform_modules() -> list[str]:
    folder = ROOT / "transforms"
    return [path.stem for path in sorted(folder.glob("*")) if path.stem.strip("_")[0].isalpha()]


def module_files(name: str) -> list[Path]:
    """The file of a transform, or those of its package."""
    path = ROOT / "transforms" / name
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def is_declaration(path: Path) -> bool:
    """Whether the file maps nothing itself."""
    return not any(functions(path))


@pytest.mark.parametrize("name", sorted({*transform_modules()} - SHARED - {"__init__"}))
def test_provider_is_built_on_the_shared_modules_alone(name: str) -> None:
    """One provider may import another's format, and then only to declare a host of it."""
    for path in module_files(name):
        used = {
            each.split(".")[1] for each in imported(path) if each.partition(".")[0] == "transforms"
        }
        others = used - SHARED - {name}
        assert not others or is_declaration(path), f"{path.name} borrows from {others}"


@pytest.mark.parametrize("name", sorted(SHARED))
def test_shared_transform_knows_no_provider(name: str) -> None:
    used = {
        each.split(".")[1]
        for path in module_files(name)
        for each in imported(path)
        if (each.partition(".")[0] == "transforms")
    }

    assert used <= SHARED


# Providers and their cases


@pytest.mark.parametrize("provider", PROVIDERS)
def test_provider_has_the_name_of_its_module(provider: str) -> None:
    assert provider in transform_modules()
    assert PROVIDERS[provider].name == provider


@pytest.mark.parametrize("demanded", DEMANDED_CASES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_provider_has_the_demanded_cases(provider: str, demanded: str) -> None:
    case = Case(FIXTURES / provider / demanded)

    missing = {role for role in DEMANDED_CASES[demanded] if not case.has(role)}

    assert not missing


def test_every_fixture_folder_belongs_to_a_provider() -> None:
    assert {path.name for path in FIXTURES.iterdir()} - COLLECTIONS <= PROVIDERS.keys()


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(path, id=Case(path).name)
        for path in sorted(FIXTURES.glob("*/*"))
        if path.parent.name not in COLLECTIONS
    ],
)
def test_case_folder_holds_a_case(folder: Path) -> None:
    case = Case(folder)

    assert case.has("case.toml")
    assert case.has("request.json")
    assert case.has("response.json") or case.has("error.json")
    assert all(ROLES.fullmatch(path.name) for path in folder.iterdir())


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in all_cases()])
def test_case_says_what_it_is_and_where_it_comes_from(case: Case) -> None:
    about = case.about

    assert about.keys() <= {"about", "source", "edited", "model", "chat_id", "base_url"}
    assert about["about"].endswith(".")
    assert about["source"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in all_cases()])
def test_case_is_small_and_holds_no_credential(case: Case) -> None:
    for path in case.folder.iterdir():
        text = path.read_bytes()
        assert len(text) < LARGEST_FIXTURE, path.name
        assert not CREDENTIAL.search(text.decode("utf-8", "replace")), path.name


@pytest.mark.parametrize("path", by_path(sources()))
def test_no_provider_is_treated_apart_by_its_name(path: Path) -> None:
    """What differs is declared in the provider's own module."""
    own = path.relative_to(ROOT).with_suffix("").parts
    names = {
        node.value
        for compared in ast.walk(tree(path))
        if isinstance(compared, ast.Compare | ast.match_case)
        for node in ast.walk(compared if isinstance(compared, ast.Compare) else compared.pattern)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert not names & PROVIDERS.keys() - {*own}


# Writing


@pytest.mark.parametrize("path", by_path(sources(tests=True)))
def test_module_has_a_docstring(path: Path) -> None:
    is_empty = not path.read_text(encoding="utf-8").strip()

    assert is_empty or ast.get_docstring(tree(path))


@pytest.mark.parametrize("package", ["interception", "inspection", "inspection/web", "recording"])
def test_package_tells_where_to_look_for_each_of_its_modules(package: str) -> None:
    about = ast.get_docstring(tree(ROOT / package / "__init__.py")) or ""
    modules = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__", "__main__"}

    assert set(re.findall(r"`(\w+)`", about)) - {"__main__", "web"} == modules


def undocumented(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Public classes, functions and methods without a docstring, nested functions aside."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        # The `Meta` of a peewee model is a setting written as a class.
        if node.name.startswith("_") or node.name == "Meta":
            continue
        if not ast.get_docstring(node):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, f"{prefix}{node.name}.")


@pytest.mark.parametrize("path", by_path(sources()))
def test_public_names_have_docstrings(path: Path) -> None:
    if path.relative_to(ROOT).parts[0] == "benchmarks":
        pytest.skip("not part of the program")

    assert [*undocumented(tree(path).body)] == []


@pytest.mark.parametrize("path", by_path(sources(tests=True)))
def test_no_function_is_long(path: Path) -> None:
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in functions(path)
        if node.end_lineno is not None and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    }

    assert long == {}


@pytest.mark.parametrize("path", by_path(sources(tests=True)))
def test_errors_are_caught_by_name(path: Path) -> None:
    handlers = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ExceptHandler)]
    broad = [
        handler
        for handler in handlers
        if isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    ]

    assert all(handler.type for handler in handlers)
    assert len(broad) <= BROAD_EXCEPTS.get(path.relative_to(ROOT).as_posix(), 0)


def written_files() -> list[Path]:
    """Every text file a clone holds, as far as a folder can tell."""
    kinds = {".py", ".md", ".toml", ".txt", ".json", ".sse", ".ndjson", ".yaml", ".yml", ".sh"}
    hidden_or_built = re.compile(r"/(?:\.(?!ci/)[^/]*|__pycache__|[^/]*\.egg-info|node_modules)/")
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and (path.suffix in kinds or path.parent.name == ".ci")
        and not hidden_or_built.search(f"/{path.relative_to(ROOT).as_posix()}")
    ]


def test_no_file_names_a_place_on_one_machine() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): hit.group()
        for path in written_files()
        if (hit := MACHINE_PATH.search(path.read_text(encoding="utf-8", errors="replace")))
    }

    assert found == {}


def test_ignored_types_name_their_code_and_are_few() -> None:
    comments = [
        line
        for path in sources()
        for line in path.read_text(encoding="utf-8").splitlines()
        if "# type: " + "ignore" in line
    ]

    assert all("ignore[" in line for line in comments)
    assert len(comments) <= 5


def test_unfinished_work_has_a_link() -> None:
    unlinked = [
        line
        for path in sources()
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"#.*\b(?:TODO|FIXME|XXX)\b(?!.*https?://)", line)
    ]

    assert unlinked == []


@pytest.mark.parametrize("name", sorted({*transform_modules()} - {"__init__"}))
def test_transform_has_its_test_file(name: str) -> None:
    """A declared host is tested by the table of providers."""
    if all(is_declaration(path) for path in module_files(name)):
        pytest.skip("nothing but a declaration")

    assert (ROOT / "tests" / f"test_{name}.py").exists()
