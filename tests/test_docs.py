"""The README is held to the code."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from interception.options import OPTIONS
from tests.printed import README, printed
from transforms import PROVIDERS
from transforms.contract import Call

TEXT = README.read_text(encoding="utf-8")
ROOT = README.parent


def block(mark: str) -> str:
    """The code block after a mark."""
    return re.search(rf"<!-- {mark} -->\n+```\w+\n(.*?)```", TEXT, flags=re.DOTALL)[1]


def test_printed_parts_are_fresh():
    assert printed(TEXT) == TEXT


def test_the_example_is_what_the_transform_makes_of_it():
    request = json.loads(block("example request"))
    built = PROVIDERS["anthropic"].build_request(Call(request, "claude-sonnet-4-5", "c", 1))
    assert built.body == json.loads(block("example provider_request"))
    assert built.dropped == ("seed",)


@pytest.mark.parametrize("mark", ["run", "check"])
def test_commands_of_the_first_screen_name_files_that_exist(mark):
    words = shlex.split(block(mark))
    named = [word for word in words if word.endswith((".txt", ".py"))]
    assert named
    assert [word for word in named if not (ROOT / word).is_file()] == []


@pytest.mark.parametrize("option", [option.name for option in OPTIONS])
def test_every_option_is_explained(option):
    assert f"`{option}`" in TEXT


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_is_named(provider):
    assert f"`{provider}`" in TEXT


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "docs/reliability.md", "benchmarks/README.md"]
)
def test_links_to_files_lead_somewhere(name):
    document = ROOT / name
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_no_document_names_a_machine():
    documents = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    for document in documents:
        assert not re.search(r"/(home|root|Users|work)/", document.read_text(encoding="utf-8"))


def test_requirements_are_bounded_on_both_sides():
    for name in ("requirements.txt", "tests/requirements.txt"):
        lines = Path(ROOT / name).read_text().splitlines()
        needed = [line for line in lines if line and not line.startswith(("#", "-r"))]
        assert [line for line in needed if not (">=" in line and "<" in line)] == []


def test_project_names_the_oldest_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
