"""Who may watch: asked at each connect and again while a stream is open.

By default nobody.
"""

import time

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory
from django_eventstream.utils import get_channelmanager

from apps.pipelines import engine
from apps.pipelines.stream import gate, hooks, views
from apps.teams.services import create_team
from apps.users.models import User
from tests.pipelines.stream.conftest import session_of


@pytest.fixture
def outsider(acme):
    person = User.objects.create_user("somebody@elsewhere.example")
    create_team("Elsewhere", person)
    return person


def test_members_may_and_nobody_else(acme, outsider, watch):
    assert (watch().status, watch().type) == (200, "text/event-stream")
    assert watch(session=session_of(outsider)).status == 404
    assert watch(session="made-up").status == 302
    nobody = watch(session=None)
    assert nobody.status == 302
    assert nobody.answer.headers["Location"].startswith("/accounts/login/?next=/t/")


def test_htmx_is_made_to_load_the_log_in_page_instead_of_swapping_it_in(acme, watch):
    nobody = watch(session=None, headers={"HX-Request": "true"})
    assert nobody.status == 401
    assert nobody.answer.headers["HX-Refresh"] == "true"


def test_the_run_has_to_be_that_of_the_address_s_team(acme, watch):
    other = create_team("Other", acme.owner)
    assert watch(acme.path_of(acme.run, other.slug)).status == 404
    assert watch(f"{acme.path}x").status == 404


def test_other_methods_and_wrong_hosts_are_django_s_to_answer(acme, watch):
    assert watch(headers={"Host": "elsewhere.example"}).status == 400
    assert Client().post(acme.path).status_code == 405


def test_who_is_no_member_any_more_is_cut_off_and_others_are_not(acme, outsider, watch):
    membership = acme.team.memberships.create(user=outsider, role="member")
    theirs, ours = watch(session=session_of(outsider)), watch()
    theirs.until(acme.run.seq)
    membership.delete()
    assert theirs.ended.wait(5)
    assert not theirs.events
    seq = acme.say("secret", n=1)
    ours.until(seq)
    assert "secret" not in "".join(frame.text for frame in theirs.frames)
    assert watch(session=session_of(outsider)).status == 404


def test_who_has_signed_out_is_cut_off(acme, watch):
    client = Client()
    client.force_login(acme.owner)
    watcher = watch(session=client.cookies["sessionid"].value).until(acme.run.seq)
    client.logout()
    assert watcher.ended.wait(5)


def test_stream_of_a_deactivated_user_ends_within_5_seconds(acme, outsider, watch):
    acme.team.memberships.create(user=outsider, role="member")
    theirs = watch(session=session_of(outsider)).until(acme.run.seq)
    User.objects.filter(pk=outsider.pk).update(is_active=False)
    assert theirs.ended.wait(5)


@pytest.mark.long
def test_tickets_of_400_sessions_are_checked_in_2_seconds_of_the_processor(acme):
    """The hub's pause and two such checks are within 5 seconds, for 800 sessions in one
    process.
    """
    tickets, users = [], []
    for number in range(400):
        users.append(User.objects.create_user(f"member{number}@acme.example"))
        acme.team.memberships.create(user=users[-1], role="member")
        tickets.append(
            gate.Ticket(
                session_of(users[-1]), gate.channel_of(acme.run.pk), (("slug", acme.team.slug),)
            )
        )
    acme.team.memberships.filter(user=users[0]).delete()
    User.objects.filter(pk=users[1].pk).update(is_active=False)
    Session.objects.filter(session_key=tickets[2].session_key).delete()
    User.objects.filter(pk=users[3].pk).update(password="changed")
    Session.objects.filter(session_key=tickets[4].session_key).update(
        expire_date="2020-01-01T00:00:00Z"
    )
    start = time.thread_time()
    assert gate.refused(tickets) == set(tickets[:5])
    assert time.thread_time() - start < 2


def test_a_changed_secret_key_leaves_the_session_its_key(acme, settings):
    ticket = gate.Ticket(acme.session, gate.channel_of(acme.run.pk), ())
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, [settings.SECRET_KEY]
    assert gate.is_valid(ticket)
    assert gate.is_valid(ticket)
    settings.SECRET_KEY_FALLBACKS = []
    assert not gate.is_valid(ticket)
    assert Session.objects.filter(session_key=acme.session).exists()


def test_the_channel_manager_is_the_gate_and_says_no_by_default(acme, outsider):
    manager = get_channelmanager()
    assert isinstance(manager, gate.RunChannels)
    channel = gate.channel_of(acme.run.pk)
    assert manager.can_read_channel(acme.owner, channel)
    assert not any(
        manager.can_read_channel(user, channel) for user in (None, AnonymousUser(), outsider)
    )
    for made_up in (
        "",
        "run-",
        "run-x",
        f"x{channel}",
        gate.channel_of(acme.team.pk),
        f"user-{acme.owner.pk}",
    ):
        assert not manager.can_read_channel(acme.owner, made_up)
    assert not hooks._nobody(acme.owner, acme.run, {})


def test_a_run_of_no_team_is_nobody_s(acme):
    run, _ = engine.start("lab", subject="lab:1", params={}, send=False)
    assert not get_channelmanager().can_read_channel(acme.owner, gate.channel_of(run.pk))


@pytest.fixture
def answer(acme):
    """What the view answers where the endpoint does not stand before Django."""
    from apps.pipelines import stream
    from tests.pipelines.stream.rendering import render

    before = hooks._render
    stream.use(render=render)
    yield lambda seq="", **headers: views.respond(
        RequestFactory().get(f"/?seq={seq}", headers=headers), acme.run
    )
    hooks._render = before


def test_without_the_endpoint_a_client_gets_what_it_lacks_and_comes_back(acme, answer):
    response = answer()
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.content.startswith(b"retry: 1000\n\nid: ")
    assert b'"whole": true' in response.content
    seq = acme.say("a", n=1)
    assert b'"parts": {"part/a": {"n": 1}}' in answer(seq=seq - 1).content
    assert answer(**{"Last-Event-ID": str(seq)}).content == b"retry: 1000\n\n"
    engine.cancel(acme.run)
    assert answer(seq=seq).content.endswith(b"event: done\ndata: cancelled\n\n")
