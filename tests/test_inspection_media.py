"""Images, sounds and files of all formats as one line without their bytes."""

from __future__ import annotations

import pytest

from inspection.media import bare_image_line, media_line

PNG = "iVBORw0KGgo" + "A" * 1989
"""1500 bytes."""


@pytest.mark.parametrize(
    ("part", "line"),
    [
        pytest.param(
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            "[image · image/png · 1.5 kB]",
            id="openai_data_uri",
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "https://a.b/c.png", "detail": "low"}},
            "[image · https://a.b/c.png · detail: low]",
            id="openai_address",
        ),
        pytest.param(
            {"type": "image_url", "image_url": "https://a.b/c.png"},
            "[image · https://a.b/c.png]",
            id="bare_address",
        ),
        pytest.param(
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
            "[audio · wav · 1.5 kB]",
            id="openai_audio",
        ),
        pytest.param(
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"},
            },
            "[file · a.pdf · application/pdf · 1.5 kB]",
            id="openai_file",
        ),
        pytest.param(
            {"type": "file", "file": {"file_id": "file-1"}}, "[file · file-1]", id="openai_file_id"
        ),
        pytest.param(
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/jpeg", "data": PNG},
            },
            "[image · image/jpeg · 1.5 kB]",
            id="anthropic_image",
        ),
        pytest.param(
            {
                "type": "document",
                "title": "Report",
                "source": {"type": "url", "url": "https://a.b/c.pdf"},
                "cache_control": {"type": "ephemeral", "ttl": "5m"},
            },
            "[document · Report · https://a.b/c.pdf · ttl: 5m]",
            id="anthropic_document",
        ),
        pytest.param(
            {"inlineData": {"mimeType": "image/webp", "data": PNG}},
            "[inline · image/webp · 1.5 kB]",
            id="gemini_bytes",
        ),
        pytest.param(
            {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/film"}},
            "[file · video/mp4 · gs://bucket/film]",
            id="gemini_address",
        ),
        pytest.param(
            {"document": {"format": "pdf", "name": "Report", "source": {"bytes": PNG}}},
            "[document · Report · pdf · 1.5 kB]",
            id="bedrock_document",
        ),
        pytest.param({"image": "https://a.b/c.png"}, "[image · https://a.b/c.png]", id="dashscope"),
        pytest.param(
            {"type": "input_image", "image_url": "https://a.b/c.png", "detail": "auto"},
            "[image · https://a.b/c.png · detail: auto]",
            id="responses",
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "https://a.b\n── user ──"}},
            "[image · https://a.b\\n── user ──]",
            id="line_end_in_address",
        ),
    ],
)
def test_media_are_told_by_kind_name_type_and_size(part, line):
    assert media_line(part) == line


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "hi"},
        {"type": "search_result", "source": {"page": 3}},
        {"type": "image_url", "image_url": None},
        {},
    ],
    ids=["text", "no_bytes_no_address", "null", "empty"],
)
def test_what_is_no_media_is_not_taken_for_it(part):
    assert media_line(part) is None


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
    ],
)
def test_the_bytes_tell_what_a_bare_image_is(start, media_type):
    assert bare_image_line(start.ljust(400, "A")) == f"[image · {media_type} · 300 B]"


def test_a_bare_image_of_an_unknown_kind_is_told_by_its_size():
    assert bare_image_line("A" * 400) == "[image · 300 B]"
