"""The application: who may look, and what is shown, over a real record."""

from __future__ import annotations

import json

import pytest

from inspection.web.access import HEADERS, Access
from inspection.web.app import create_app
from inspection.web.record import Record
from recording.database import RecordDatabase
from tests.records import said
from tests.test_inspection_web_queries import BEGAN, record

TOKEN = "the-token-of-this-start"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ODD = "a/b c%?#é\n<i>"
HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'chats.db'}"


@pytest.fixture
def opened(url):
    store = RecordDatabase(url)
    store.open()
    yield store.database
    store.close()


@pytest.fixture
def app(url, opened):
    return create_app(Record(url), Access(TOKEN))


@pytest.fixture
def get(app):
    """Asks as a client on this machine that has the token."""
    client = app.test_client()

    def ask(path, method="GET", **headers):
        return client.open(path, method=method, headers={**BEARER, **headers})

    return ask


# Who may look


@pytest.mark.parametrize("path", ["/", "/sessions", "/stats", "/api/stats", "/style.css", "/no"])
def test_nothing_is_shown_without_the_token(app, path):
    assert app.test_client().get(path).status_code == 401


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN}x", "tökén"])
def test_a_wrong_token_is_none(app, token):
    asked = app.test_client().get(f"/?token={token}", headers={"Cookie": f"diptych={token}"})
    assert asked.status_code == 401


def test_a_token_in_the_address_becomes_a_cookie(app):
    client = app.test_client()
    answer = client.get(f"/sessions?token={TOKEN}&model=a%26b")
    assert (answer.status_code, answer.location) == (303, "/sessions?model=a%26b")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get(answer.location).status_code == 200


def test_a_token_in_the_address_leaves_any_id_as_it_is(app):
    answer = app.test_client().get(f"/sessions/a%3Fb%23c?token={TOKEN}")
    assert answer.location == "/sessions/a%3Fb%23c"


def test_proxies_on_several_ports_keep_cookies_of_their_own(app):
    client = app.test_client()
    hosts = ("127.0.0.1:8080", "[::1]:8081", "diptych.internal")
    cookies = [
        client.get(f"/?token={TOKEN}", headers={"Host": host}).headers["Set-Cookie"]
        for host in hosts
    ]
    names = [cookie.partition("=")[0] for cookie in cookies]
    assert names == ["diptych-8080", "diptych-8081", "diptych"]


def test_the_api_takes_a_token_in_the_address(app):
    answer = app.test_client().get(f"/api/sessions?token={TOKEN}")
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (200, False)


@pytest.mark.parametrize("peer", ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7", ""])
def test_other_machines_see_nothing(app, peer):
    answer = app.test_client().get("/", headers=BEARER, environ_base={"REMOTE_ADDR": peer})
    assert answer.status_code == 403
    assert "chat_remote" in answer.text


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_has_several_addresses(app, peer):
    answer = app.test_client().get("/", headers=BEARER, environ_base={"REMOTE_ADDR": peer})
    assert answer.status_code == 200


@pytest.mark.parametrize(("token", "status"), [(TOKEN, 200), ("wrong", 401)])
def test_other_machines_need_the_token_where_they_may_look(url, opened, token, status):
    app = create_app(Record(url), Access(TOKEN, remote=lambda: True))
    headers = {"Authorization": f"Bearer {token}"}
    answer = app.test_client().get("/", headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert answer.status_code == status


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"])
def test_a_name_pointed_at_this_machine_sees_nothing(get, host):
    assert get("/", Host=host).status_code == 403


@pytest.mark.parametrize(
    "host", ["diptych.internal", "127.0.0.1:8080", "localhost:8080", "[::1]:80"]
)
def test_the_pages_answer_to_their_name_and_to_addresses(get, host):
    assert get("/", Host=host).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:81", "x"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_another_site_sees_and_does_nothing(get, origin, method):
    assert get("/api/sessions/s", method, Origin=origin).status_code == 403


def test_our_own_pages_may_ask(get):
    assert get("/api/sessions", Origin="http://localhost").status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/stats", "/nothing", "/api/requests?limit=x"])
def test_every_answer_forbids_scripts_frames_and_copies(get, path):
    headers = get(path).headers
    assert {name: headers[name] for name in HEADERS} == HEADERS


# The API


def test_a_list_has_the_shape_of_openai(get, opened):
    for name in ("one", "two", "three"):
        record(opened, name)
    told = get("/api/requests?limit=2").json
    assert [row["request_id"] for row in told.pop("data")] == ["three", "two"]
    assert told == {"object": "list", "has_more": True, "last_id": "two"}


def test_an_empty_list_is_one(get):
    empty = {"object": "list", "data": [], "has_more": False, "last_id": None}
    assert [get(f"/api/{name}").json for name in ("sessions", "requests", "responses")] == [
        empty
    ] * 3


def test_a_body_is_told_as_it_was_on_the_wire(get, opened):
    record(opened, "one")
    odd = '{"b": 1.50e3, "a": 123456789012345678901234567890, "a": 2.50, "é": "\\ud83d"}'
    opened.execute_sql("UPDATE requests SET openai_request = ?", (odd,))
    assert f'"openai_request":{odd},' in get("/api/requests/one").text


def test_a_body_that_is_no_json_is_told_as_a_text(get, opened):
    record(opened, "one")
    opened.execute_sql("UPDATE requests SET openai_request = '<oops>'")
    assert get("/api/requests/one").json["openai_request"] == "<oops>"


def test_an_id_may_be_any_text(get, opened):
    record(opened, "one", session=ODD)
    shown = get("/sessions").text
    (path,) = [part.split('"')[0] for part in shown.split('href="')[1:] if "a/b" in part]
    assert get(path).status_code == 200
    assert get(f"/api{path}").json["id"] == ODD


def test_a_session_is_deleted(get, opened):
    record(opened, "one", session="s")
    assert get("/api/sessions/s", "DELETE").json == {
        "id": "s",
        "object": "session.deleted",
        "deleted": True,
    }
    assert get("/api/sessions/s").status_code == 404
    assert get("/api/sessions/s", "DELETE").status_code == 404


@pytest.mark.parametrize("kind", ["sessions", "requests", "responses"])
def test_what_is_not_there_is_an_error(get, kind):
    answer = get(f"/api/{kind}/nothing")
    assert answer.status_code == 404
    assert answer.json["error"]["message"] == f"There is no {kind[:-1]} `nothing`."


def test_a_bad_parameter_is_named(get):
    answer = get("/api/responses?state=done")
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "state")


@pytest.mark.parametrize("query", ["q=\xff", "\xff=1&model=m", "q=\xe9 a"])
def test_bytes_in_a_query_are_no_fault_of_ours(app, query):
    asked = {"QUERY_STRING": query}
    answer = app.test_client().get("/api/requests", headers=BEARER, environ_overrides=asked)
    assert answer.status_code == (400 if query.startswith("\xff") else 200)


def test_what_waits_and_what_was_refused_is_counted(get, tmp_path):
    (tmp_path / "chats.db.spill").write_text("{}\n{}\n")
    (tmp_path / "chats.db.refused").write_text("{}\n")
    told = get("/api/stats").json
    assert (told["waiting"], told["refused"]) == (2, 1)
    page = get("/").text
    assert "2 rows wait to be written" in page
    assert "refused 1 records" in page


@pytest.mark.parametrize("path", ["/", "/stats", "/sessions/s", "/requests/r", "/api/sessions"])
def test_a_record_that_cannot_be_read_is_said_to_be(url, tmp_path, path):
    (tmp_path / "chats.db").write_bytes(b"nonsense" * 1000)
    (tmp_path / "chats.db.spill").write_text("{}\n{}\n")
    answer = create_app(Record(url), Access(TOKEN)).test_client().get(path, headers=BEARER)
    assert answer.status_code == 503
    assert "cannot be read at the moment" in answer.text
    assert "2 rows so far" in answer.text


def test_a_fault_of_ours_is_logged_without_its_words(app, caplog):
    @app.get("/fault/<words>")
    def fault(words):
        raise RuntimeError(words)

    answer = app.test_client().get("/fault/secret", headers=BEARER)
    assert (answer.status_code, "secret" in answer.text) == (500, False)
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


# The pages


def _hostile(opened):
    record(
        opened, "one", session=HOSTILE, text=HOSTILE, model=HOSTILE, state="failed",
        error=HOSTILE, openai_response=json.dumps(said(HOSTILE)),
    )  # fmt: skip
    opened.execute_sql("UPDATE sessions SET first_user_message = ?, client = ?", (HOSTILE,) * 2)
    opened.execute_sql("UPDATE requests SET client = ?, dropped = ?", (HOSTILE,) * 2)


@pytest.mark.parametrize(
    "path", ["/", "/sessions", "/sessions/{}", "/requests/one", "/stats?since=0"]
)
def test_what_was_said_is_text(get, opened, path):
    _hostile(opened)
    page = get(path.format(HOSTILE.replace("/", "%2F"))).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page or path.startswith("/stats")
    assert "<script" not in page
    assert "\u202e" not in page


def test_a_thread_shows_its_branches(get, opened):
    record(opened, "one")
    record(opened, "two", at=BEGAN + 1)
    record(opened, "three", at=BEGAN + 2)
    opened.execute_sql("UPDATE requests SET parent_id = 'answer to one' WHERE id > 1")
    page = get("/sessions/s").text
    assert page.index("/requests/one") < page.index("depth-1") < page.index("/requests/two")


def test_an_exchange_without_an_answer_is_shown(get, opened):
    record(opened, "one", answered=False)
    page = get("/requests/one").text
    assert "<h1>gpt-4o → anthropic/claude-sonnet-4-5 · unanswered</h1>" in page
    assert '<span class="state unanswered">unanswered</span>' in page
    assert "(not kept)" in page


def test_older_calls_are_a_link_away(get, opened):
    for number in range(3):
        record(opened, f"call {number}", provider="ollama")
    page = get("/?limit=2&provider=ollama").text
    (link,) = [part.split('"')[0] for part in page.split('rel="next" href="')[1:]]
    assert "call%200" in get(link.replace("&amp;", "&")).text


def test_a_session_is_deleted_with_a_form(get, opened):
    record(opened, "one", session=ODD)
    (form,) = [
        part.split('"')[0] for part in get("/sessions").text.split('href="') if "a/b" in part
    ]
    answer = get(f"{form}/delete", "POST")
    assert (answer.status_code, answer.location) == (303, "/sessions")
    assert "Nothing here yet" in get("/sessions").text


@pytest.mark.parametrize("live", [True, False])
def test_a_page_renews_itself_where_asked(get, live):
    assert ('http-equiv="refresh"' in get(f"/?live={int(live)}").text) == live
