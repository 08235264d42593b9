import pytest

from apps.metrics.ai.markers import MARKERS_VERSION
from apps.metrics.factories import CommitFactory, PullRequestFactory, RepositoryFactory
from apps.metrics.models import PullRequest
from apps.metrics.tasks import compute_team_insights, run_llm_analysis_batch
from apps.pipelines.models import StepState

pytestmark = pytest.mark.django_db(transaction=True)


def marked(n):
    return "Fix\n\nCo-authored-by: Claude <noreply@anthropic.com>" if n % 3 == 0 else "Fix"


@pytest.fixture
def repository():
    repository = RepositoryFactory()
    for n in range(7):
        CommitFactory(pull_request=PullRequestFactory(repository=repository), message=marked(n))
    return repository


def test_markers_are_read_and_the_model_is_skipped(repository, settings):
    settings.GROQ_API_KEY = ""
    run = run_llm_analysis_batch.call_local(team_id=repository.team_id)
    step = run.steps.get()
    assert (run.state, step.state, step.done, step.total) == ("done", StepState.SKIPPED, 7, 7)
    assert "7 pull requests" in step.message + step.error + str(step.result)
    pulls = PullRequest.objects.for_team(repository.team_id).order_by("pk")
    assert [pull.ai_assisted for pull in pulls] == [n % 3 == 0 for n in range(7)]
    assert {pull.markers_version for pull in pulls} == {MARKERS_VERSION}
    assert pulls[0].ai_tools == ["claude"]
    assert pulls[0].ai_evidence[0]["where"].startswith("commit ")


def test_only_what_is_new_is_read_again(repository):
    run_llm_analysis_batch.call_local(repository.team_id)
    first = PullRequest.objects.for_team(repository.team_id).order_by("pk").first()
    first.commits.update(message="Fix")
    PullRequest.objects.for_team(repository.team_id).exclude(pk=first.pk).update(
        ai_tools=["kept"]
    )
    PullRequest.objects.for_team(repository.team_id).filter(pk=first.pk).update(
        markers_version=0
    )
    run = run_llm_analysis_batch.call_local(team_id=repository.team_id, limit=100)
    assert run.steps.get().done == 1
    first.refresh_from_db()
    assert (first.ai_assisted, first.ai_tools, first.ai_evidence) == (False, [], [])
    assert (
        PullRequest.objects.for_team(repository.team_id).filter(ai_tools=["kept"]).count() == 6
    )


def test_insights_are_a_step(repository):
    run = compute_team_insights.call_local(repository.team_id)
    assert (run.state, run.steps.get().result) == ("done", {"insights": 0})
