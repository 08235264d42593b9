"""The progress of the background reading of AI summaries, on open pages: it follows
without a reload.
"""

import pytest
from playwright.sync_api import expect

from apps.metrics.llm import continuing
from apps.metrics.models import PullRequest
from apps.pipelines import engine
from tests.browser.axe import grave_findings
from tests.browser.test_journey import PATIENCE
from tests.browser.test_live import IS_MARKED, MARK
from tests.metrics.llm.conftest import pass_time

pytestmark = pytest.mark.django_db(transaction=True)

CHAT = {"match": {"operation": "chat"}}


def shown(page, state, **options):
    return expect(page.locator(f"#ai-progress[data-state={state}]")).to_be_visible(**options)


@pytest.fixture
def with_model(worker, github):
    """Starts a worker that has a language model: the sandbox's."""
    return lambda: worker(
        LLM_BASE_URL=f"{github.url}/v1",
        LLM_REQUESTS_A_MINUTE="100000",
        LLM_PATIENCE="10",
        GROQ_API_KEY="none",
    )


@pytest.mark.long
def test_reading_on_is_followed_from_its_begin_to_its_end(
    visit, begin, with_model, github, mara
):
    github.faults(CHAT | {"status": 429, "reset_in": 7200})
    run = begin()
    page = visit(mara, f"/t/acme/onboarding/runs/{run.pk}/")
    page.evaluate(MARK)
    expect(page.locator("#ai-progress")).to_be_hidden()
    with_model()
    # The run's own stream brings it.
    shown(page, "waiting", timeout=PATIENCE)
    expect(page.locator("#run-seq[data-state=partial]")).to_be_attached(timeout=PATIENCE)
    assert not grave_findings(page)
    dashboard = visit(mara, "/t/acme/")
    dashboard.evaluate(MARK)
    shown(dashboard, "waiting")
    assert not grave_findings(dashboard)
    github.slow(1)
    pass_time()
    for each in (page, dashboard):
        expect(each.locator("#ai-progress")).to_be_hidden(timeout=PATIENCE)
    expect(page.locator("#run-seq[data-state=done]")).to_be_attached(timeout=PATIENCE)
    assert page.evaluate(IS_MARKED)
    assert dashboard.evaluate(IS_MARKED)


def test_dashboard_follows_without_a_reload(visit, acme):
    chosen = list(PullRequest.objects.for_team(acme.team).values_list("pk", flat=True)[:5])
    params = {"team_id": acme.team.pk, "chosen": chosen, "origins": []}
    run, _ = engine.start(
        continuing.PIPELINE,
        subject=f"{continuing.SUBJECT}{acme.team.pk}",
        params=params,
        send=False,
    )
    page = visit(acme.owner, "/t/acme/")
    page.evaluate(MARK)
    shown(page, "reading")
    expect(page.locator("#ai-progress")).to_have_attribute("data-total", "5")
    engine.cancel(run)
    shown(page, "stopped")
    assert page.evaluate(IS_MARKED)
