"""Malformed requests: each is answered by a page of status 4xx, at once, and is mailed
to no one.
"""

import logging
import time

import pytest
from django.core import mail
from django.test import Client

from apps.metrics.models import LlmSettings
from apps.teams.services import create_team
from apps.users.models import User
from tests.project.addresses import values, walk
from tests.project.conftest import world


@pytest.fixture
def client(settings):
    settings.DEBUG, settings.ADMINS = False, ["ops@example.com"]
    return Client(raise_request_exception=False)


@pytest.fixture
def acme(db):
    return create_team("Acme", User.objects.create_user("owner@acme.example"))


MULTIPART = "multipart/form-data; boundary=x"
FILE = (
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nzz\r\n--x--\r\n'
)
NUL_PART = b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na\x00\r\n--x--\r\n'
FORM = "application/x-www-form-urlencoded"
REFUSED = {
    "NUL in the path": ("get", "/t/ac%00me/", {}, 400),
    "NUL in the query": ("get", "/accounts/login/?next=%00", {}, 400),
    "NUL in a parameter's name": ("get", "/accounts/login/?a%00b=1", {}, 400),
    "NUL in a field": (
        "post",
        "/accounts/login/",
        {"data": "login=a%00b", "content_type": FORM},
        400,
    ),
    "NUL in a field's name": (
        "post",
        "/accounts/login/",
        {"data": "lo%00gin=a", "content_type": FORM},
        400,
    ),
    "NUL in a part": (
        "post",
        "/accounts/login/",
        {"data": NUL_PART, "content_type": MULTIPART},
        400,
    ),
    "NUL in a cookie": ("get", "/", {"HTTP_COOKIE": 'sessionid="abcdefghijkl\\000"'}, 400),
    "many parameters": (
        "get",
        "/accounts/login/?" + "&".join(f"a{n}" for n in range(1001)),
        {},
        400,
    ),
    "many fields": (
        "post",
        "/accounts/login/",
        {"data": "a=&" * 1001, "content_type": FORM},
        400,
    ),
    "a long address": ("get", "/accounts/login/?a=" + "b" * 9000, {}, 414),
    "another encoding": (
        "post",
        "/accounts/login/",
        {"data": b"a=b", "content_type": f"{FORM}; charset=utf-7"},
        400,
    ),
    "an encoding of Cyrillic": (
        "post",
        "/accounts/login/",
        {"data": b"a=b", "content_type": f"{FORM}; charset=koi8-r"},
        400,
    ),
    "no boundary": (
        "post",
        "/accounts/login/",
        {"data": b"x", "content_type": "multipart/form-data"},
        400,
    ),
    "a bad boundary": (
        "post",
        "/accounts/login/",
        {"data": b"x", "content_type": 'multipart/form-data; boundary="é"'},
        400,
    ),
    "a file": ("post", "/accounts/login/", {"data": FILE, "content_type": MULTIPART}, 400),
    "a delivery's address that does not exist": (
        "post",
        "/hooks/github/x/",
        {"data": b"a=b", "content_type": f"{FORM}; charset=utf-7"},
        400,
    ),
    "bad parts at such an address": (
        "post",
        "/hooks/github/x/",
        {"data": b"x", "content_type": "multipart/form-data"},
        400,
    ),
    "no field of the admin": ("get", "/admin/teams/team/1/change/?_to_field=", {}, 400),
    "no field in the admin's form": (
        "post",
        "/admin/teams/team/1/change/",
        {"data": b"_to_field=", "content_type": FORM},
        400,
    ),
    "a large body": (
        "post",
        "/accounts/login/",
        {"data": b"a" * 300_000, "content_type": FORM},
        413,
    ),
    "another host": ("get", "/accounts/login/", {"HTTP_HOST": "evil.example"}, 400),
    "a malformed host": ("get", "/accounts/login/", {"HTTP_HOST": "[::1"}, 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_request_is_refused_at_once(name, client, db, caplog):
    method, path, rest, status = REFUSED[name]
    client.get("/accounts/login/?a=%00")  # loads templates
    # Of the processor, so that a busy machine doesn't count.
    began = time.thread_time()
    answer = getattr(client, method)(path, **rest)
    assert (answer.status_code, time.thread_time() - began < 0.5) == (status, True)
    assert answer["Content-Type"].startswith("text/html")
    assert mail.outbox == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "address", ["http://[::1", "//[", "http://a:b/", "http://127.0.0.1/%00"]
)
def test_malformed_address_of_htmx_is_left_out(address, client, acme):
    client.force_login(User.objects.get())
    answer = client.get("/t/acme/", HTTP_HX_REQUEST="true", HTTP_HX_CURRENT_URL=address)
    assert answer.status_code == 200
    client.logout()
    assert (
        client.get("/t/acme/", HTTP_HX_REQUEST="true", HTTP_HX_CURRENT_URL=address).status_code
        < 400
    )


@pytest.mark.parametrize(
    "number", ["9" * 23, "9223372036854775808", "²", "٣", "-1", "1e9", "9" * 4000]
)
def test_id_that_fits_no_column_is_a_path_that_does_not_exist(number, client, db):
    acme = world("acme")
    client.force_login(acme.owner)
    known = values(acme)
    tried = 0
    for address in walk():
        if address.path.startswith("/admin/"):
            continue
        for argument in address.arguments:
            if isinstance(known.get(f"{address.name}:{argument}", known.get(argument)), int):
                path = address.filled(
                    known | {argument: number, f"{address.name}:{argument}": number}
                )
                tried += 1
                assert client.get(path).status_code in (404, 405, 400), path
                assert client.post(path).status_code in (404, 405, 400), path
    assert tried > 5


@pytest.mark.parametrize(
    "day",
    ["9999-12-31", "9999-12-27", "0001-01-01", "0001-01-03", "1969-01-01", "x", "2026-W53-7"],
)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Niue"])
def test_day_at_the_end_of_the_calendar_is_left_out(day, zone, client, acme):
    acme.time_zone = zone
    acme.save()
    client.force_login(User.objects.get())
    for query in (f"pull-requests/?week={day}", f"compare/?a_from={day}&b_to={day}"):
        assert client.get(f"/t/acme/{query}").status_code == 200, query


@pytest.mark.parametrize(
    "number", ["0" * 12 + "9" * 30, "9" * 5000, "-1", "²", "1e9", "2000000001", ""]
)
def test_budget_that_is_no_number_is_refused(number, client, acme):
    client.force_login(User.objects.get())
    client.post("/t/acme/ai/", {"monthly_tokens": "5000", "enabled": "on"})
    assert client.post("/t/acme/ai/", {"monthly_tokens": number}).status_code == 303
    assert LlmSettings.objects.for_team(acme).get().monthly_tokens == 5000


def test_budget_may_have_separators_and_leading_zeros(client, acme):
    client.force_login(User.objects.get())
    client.post("/t/acme/ai/", {"monthly_tokens": "0,002,000 000"})
    assert LlmSettings.objects.for_team(acme).get().monthly_tokens == 2_000_000


def test_client_of_the_api_is_refused_in_json(client, db):
    answer = client.get("/api/v1/weekly?from=%00")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
    assert answer.json()["error"]
