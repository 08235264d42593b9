"""`manage.py run`: pausing, resuming, retrying and canceling from the command line,
and the same in the admin.
"""

import json
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from apps.pipelines import engine
from apps.pipelines.models import RunState
from apps.teams.services import create_team
from apps.users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(lab):
    return lab.start(items=1)


def do(action, run, *args):
    out = StringIO()
    call_command("run", action, str(run.pk), *args, stdout=out)
    run.refresh_from_db()
    return out.getvalue().strip()


def test_each_action_says_what_it_did_and_may_be_given_twice(run):
    for _ in range(2):
        assert (
            do("pause", run)
            == f"Run {run.pk} is paused. To resume it: manage.py run resume {run.pk}"
        )
        assert run.state == RunState.PAUSED
    for _ in range(2):
        assert do("resume", run) == f"Run {run.pk} continues from “One”."
        assert run.state == RunState.RUNNING
    for _ in range(2):
        assert do("cancel", run) == f"Run {run.pk} is canceled. Everything read so far is kept."
        assert run.state == RunState.CANCELLED
    assert do("retry", run) == f"Run {run.pk} continues from “One”."
    assert (run.state, run.generation) == (RunState.RUNNING, 2)


@pytest.mark.parametrize("action", ["pause", "resume", "cancel", "retry"])
def test_what_is_not_possible_ends_with_1(run, lab, action):
    lab.drain()
    with pytest.raises(CommandError) as refused:
        do(action, run)
    assert refused.value.returncode == 1
    assert "done" in str(refused.value)


def test_bad_usage(run):
    for arguments in (
        ["pause", str(run.pk), "--repository", "a/b"],
        ["pause", str(uuid4())],
        ["pause", "7"],
    ):
        with pytest.raises(CommandError) as refused:
            call_command("run", *arguments)
        assert refused.value.returncode == 64


def test_list_names_the_runs(run, lab):
    out = StringIO()
    call_command("run", "list", "--json", stdout=out)
    (row,) = json.loads(out.getvalue())
    assert (row["run"], row["state"], row["pipeline"]) == (str(run.pk), run.state, run.pipeline)
    assert row["started"].endswith("Z")
    out = StringIO()
    call_command("run", "list", stdout=out)
    assert out.getvalue().split()[:2] == [str(run.pk), run.state]


def test_list_of_a_team_has_no_other_runs(run):
    team = create_team("Acme", User.objects.create_user("ada@acme.example"))
    out = StringIO()
    call_command("run", "list", "--team", team.slug, "--json", stdout=out)
    assert json.loads(out.getvalue()) == []
    for arguments in (["list", "--team", "nobody"], ["list", str(run.pk)], ["pause"]):
        with pytest.raises(CommandError) as refused:
            call_command("run", *arguments)
        assert refused.value.returncode == 64


def test_the_admin_has_the_same_actions(run, client):
    client.force_login(User.objects.create_superuser("root@acme.example", "pw"))

    def act(name):
        data = {"action": name, "_selected_action": [str(run.pk)]}
        answer = client.post(reverse("admin:pipelines_run_changelist"), data, follow=True)
        run.refresh_from_db()
        return answer.content.decode()

    assert f"Run {run.pk} is paused" in act("pause_runs")
    assert run.state == RunState.PAUSED
    assert f"Run {run.pk} continues" in act("resume_runs")
    assert f"Run {run.pk} is canceled" in act("cancel_runs")
    assert "ended already" in act("pause_runs")
    assert engine.retry(run).state == RunState.RUNNING
