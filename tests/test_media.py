"""Data URLs, and kinds told by the first bytes."""

from __future__ import annotations

import pytest

from transforms.errors import RequestError
from transforms.media import first_bytes, image_type, is_data_url, media_type, split_data_url

IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\n\x00",
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/gif": b"GIF89a\x01",
    "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
}


@pytest.mark.parametrize(("kind", "head"), IMAGES.items(), ids=IMAGES)
def test_an_image_is_known_by_its_bytes(kind: str, head: bytes) -> None:
    assert image_type(head) == media_type(head) == kind


def test_the_older_gif_is_known_too() -> None:
    assert image_type(b"GIF87a\x01") == "image/gif"


def test_a_pdf_is_no_image() -> None:
    assert image_type(b"%PDF-1.7") is None
    assert media_type(b"%PDF-1.7") == "application/pdf"


@pytest.mark.parametrize(
    "head", [b"", b"GIF88a", b"RIFF\x24\x00\x00\x00WAVEfmt ", b" %PDF", b"\x89PNG"]
)
def test_nothing_else_is_known(head: bytes) -> None:
    assert media_type(head) is None


@pytest.mark.parametrize(
    ("url", "halves"),
    [
        ("data:image/png;base64,aGk=", ("image/png", "aGk=")),
        ("DATA:Image/PNG;BASE64,aGk=", ("image/png", "aGk=")),
        ("data:text/plain;charset=utf-8;base64,aGk=", ("text/plain", "aGk=")),
        ("data:;base64,aG\nk=", ("", "aGk=")),
        ("data:;base64,aGk%3D", ("", "aGk=")),
        ("data:text/html,h%69", ("text/html", "aGk=")),
        ("data:,hi", ("text/plain", "aGk=")),
    ],
    ids=["usual", "capitals", "parameter", "broken", "escaped", "written out", "bare"],
)
def test_a_data_url_is_a_type_and_base64(url: str, halves: tuple[str, str]) -> None:
    assert is_data_url(url)
    assert split_data_url(url, "p") == halves


def test_an_address_is_no_data_url() -> None:
    assert not is_data_url("https://example.com/data:")


def test_the_first_bytes_are_told_without_decoding_the_rest() -> None:
    assert first_bytes("JVBERi0xLjc", "p") == b"%PDF-1.7"
    assert first_bytes("JVBERi0x" * 4 + "?", "p") == b"%PDF-1" * 4


@pytest.mark.parametrize("data", ["data:image/png;base64", "data:;base64,?"])
def test_data_that_cannot_be_read_is_refused_by_its_name(data: str) -> None:
    with pytest.raises(RequestError, match="`p` is not a data URL") as caught:
        first_bytes(split_data_url(data, "p")[1], "p")
    assert caught.value.answer().code == "invalid_value"
