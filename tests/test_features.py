"""A tick in the README's table of features stands on a case."""

from __future__ import annotations

import pytest

from tests.cases import FIXTURES, Case
from tests.features import FEATURES, cell, proof
from transforms import PROVIDERS


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("feature", ["text", "tools", "streaming", "usage"])
def test_every_provider_proves_what_all_of_them_do(provider: str, feature: str) -> None:
    case = proof(provider, feature)
    assert case is not None
    assert case.folder.parent.name == provider


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_is_proven_by_somebody(feature: str) -> None:
    assert any(proof(provider, feature) for provider in PROVIDERS)


@pytest.mark.parametrize("feature", FEATURES)
def test_a_provider_without_cases_has_no_feature(feature: str) -> None:
    assert proof("nobody", feature) is None


@pytest.mark.parametrize("feature", ["images", "parallel tools", "reasoning", "cached tokens"])
def test_a_plain_text_answer_proves_nothing_beside_text(feature: str) -> None:
    case = Case(FIXTURES / "anthropic" / "plain_text")
    assert FEATURES["text"](case)
    assert not FEATURES[feature](case)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_format_that_is_dropped_is_not_carried(provider: str) -> None:
    case = proof(provider, "structured output")
    assert case is None or "response_format" not in case.json("provider_request")["dropped"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("feature", FEATURES)
def test_a_cell_says_no_more_than_its_case(provider: str, feature: str) -> None:
    case = proof(provider, feature)
    assert cell(provider, feature) in ({"✓"} if case else {"", "refused"})
    if case:
        assert case.folder.parent == FIXTURES / provider
        assert case.has("case.toml")
        assert FEATURES[feature](case)


def test_a_part_that_is_left_out_is_no_proof() -> None:
    assert not FEATURES["images"](Case(FIXTURES / "ollama" / "refused_image_url"))


def test_a_request_that_was_answered_with_an_error_is_no_proof() -> None:
    assert not FEATURES["images"](Case(FIXTURES / "openai" / "error_image"))


def test_refusal_is_told_only_where_every_way_is_refused() -> None:
    assert cell("deepseek", "images") == "refused"
    assert cell("anthropic", "audio") == "refused"
    assert cell("compatible", "files") == ""
