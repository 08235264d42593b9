"""The findings in the model's words: no number that is not theirs, and no harm where
the model is of no use.
"""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.metrics.factories import PullRequestFactory, RepositoryFactory
from apps.metrics.llm.wording import added, passed
from apps.metrics.models import Insight, InsightSummary, LlmSettings, LlmUse
from apps.metrics.tasks import compute_team_insights
from apps.pipelines.models import RunState

FACTS = [
    {
        "title": "Time to merge rose from 12 h to 1.5 days in the week of 7 September.",
        "detail": "Median of 1,204 pull requests; 31 % more, 1.2 to 1.9 times with 95 % confidence, in the half year.",
        "advice": "Look at the three oldest.",
    }
]
KNOWN = " ".join(FACTS[0].values())


@pytest.mark.parametrize(
    "text",
    [
        "Merging takes 1.5 days, up from 12 h.",
        "Merging takes 1.5 days, up from 12 hours, over 1204 pull requests.",
        "It took 31% longer (31 percent) since 7 September.",
        "Look at the three oldest first; it is 1.2 to 1.9 times what it was in the half year before.",
        "One reviewer should look at it.",
    ],
)
def test_what_stands_in_the_findings_may_be_said(text):
    assert added(text, KNOWN) == ""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Merging takes 2 days.", "2 d"),
        ("Merging takes 12 days.", "12 d"),
        ("It grew by 95 lines.", "95 l"),
        ("It rose by 24 hours.", "24 h"),
        ("Merging takes twice as long.", "twice"),
        ("Four teams are slower.", "four"),
        ("It doubled.", "doubled"),
        ("Of 1,205 pull requests.", "1205"),
        ("That is 1.95 times as much.", "1.95 x"),
    ],
)
def test_a_number_of_its_own_is_found(text, named):
    assert added(text, KNOWN) == named


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "form"),
        ("[1]", "form"),
        ('{"summary": 5}', "no text"),
        ('{"summary": " \\u200b "}', "empty"),
        (json.dumps({"summary": "long " * 200}), "too long"),
        ('{"summary": "See https://evil.example/12 h"}', "links"),
        ('{"summary": "Merging takes 3 h."}', "“3 h” does not stand in the findings"),
    ],
)
def test_what_cannot_be_used_is_said(answer, why):
    text, reason = passed(answer, FACTS)
    assert text == ""
    assert why in reason


@pytest.fixture
def slower(team):
    """A team whose merges have become ten times as slow eight weeks ago."""
    repository = RepositoryFactory(team=team)
    now = timezone.now()
    for n in range(240):
        at = now - timedelta(hours=n * 18 + 1)
        hours = 40 + n % 7 if n < 75 else 4 + n % 3
        PullRequestFactory(
            repository=repository, created_at=at - timedelta(hours=hours), merged_at=at
        )


def find(worker, team):
    return worker.drain(compute_team_insights(team.pk))


@pytest.mark.django_db(transaction=True)
def test_the_dashboard_says_it_in_short_and_pays_once(
    client, worker, model, team, owner, slower
):
    assert find(worker, team).state == RunState.DONE
    summary = InsightSummary.objects.for_team(team).get()
    title = Insight.objects.for_team(team).order_by("-effect").first().title
    assert title.replace("\N{NO-BREAK SPACE}", " ") in summary.text
    client.force_login(owner)
    dashboard = reverse("metrics:dashboard", args=[team.slug])
    assert "in-short" in client.get(dashboard).content.decode()
    assert "in-short" not in client.get(dashboard, {"author": "people"}).content.decode()
    find(worker, team)
    assert (model.bill()["answered"], LlmUse.objects.for_team(team).get().requests) == (1, 1)
    insight = Insight.objects.for_team(team).order_by("-effect").first()
    client.post(
        reverse("metrics:dismiss", args=[team.slug]), {"insight": insight.pk, "reason": "Known"}
    )
    assert "in-short" not in client.get(dashboard).content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", ["invented", "empty", "truncated"])
def test_an_answer_that_fails_twice_leaves_the_findings_alone(
    worker, model, team, slower, fault
):
    model.faults({"llm": fault})
    run = find(worker, team)
    assert run.state == RunState.DONE
    assert Insight.objects.for_team(team).exists()
    assert not InsightSummary.objects.for_team(team).exists()
    assert LlmUse.objects.for_team(team).get().requests == 2
    assert run.events.filter(message__startswith="No AI summary").exists()


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_fails_once_is_asked_for_again(worker, model, team, slower):
    model.faults({"llm": "invented", "times": 1})
    find(worker, team)
    assert "4,711" not in InsightSummary.objects.for_team(team).get().text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["off", "budget", "installation", "limit", "away"])
def test_a_model_of_no_use_harms_nothing(worker, model, team, slower, settings, how):
    if how in ("off", "budget"):
        values = {"enabled": how != "off", "monthly_tokens": 50}
        LlmSettings.objects.across_teams().create(team=team, **values)
    elif how == "installation":
        settings.LLM_INSTALLATION_MONTHLY_TOKENS = 50
    elif how == "limit":
        model.faults({"status": 429, "reset_in": 30})
    else:
        settings.LLM_BASE_URL = "http://127.0.0.1:9/v1"
    assert find(worker, team).state == RunState.DONE
    assert Insight.objects.for_team(team).exists()
    assert not InsightSummary.objects.for_team(team).exists()
    if how == "installation":
        assert model.bill()["answered"] == 0
