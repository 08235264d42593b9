"""Figures per repository and per person: names in order, bots apart, and no median of a
handful.
"""

from datetime import timedelta

from django.utils import timezone

from apps.metrics.factories import PRReviewFactory, RepositoryFactory, TeamMemberFactory
from tests.metrics.pages import merged, words


def test_every_repository_has_a_row(team, visit, repository):
    RepositoryFactory(team=team, full_name="acme/Empty")
    busy = RepositoryFactory(team=team, full_name="acme/busy")
    for n in range(5):
        merged(busy, n, 10, ai_assisted=n == 0, additions=30, deletions=1)
    merged(repository, 0, 10)
    page = words(visit("repositories"))
    assert (
        page.index("acme/api 1") < page.index("acme/busy 5 10 h") < page.index("acme/Empty 0")
    )
    assert "acme/api 1 few few few few" in page
    assert "acme/busy 5 10 h few 31 lines 20 %" in page


def test_people_stand_in_their_names_order_with_bots_apart(team, visit, repository):
    zoe, ada = (
        TeamMemberFactory(team=team, name=name, login=name.lower()) for name in ("Zoe", "Ada")
    )
    bot = TeamMemberFactory(team=team, name="", login="bump[bot]", is_bot=True)
    for n in range(6):
        pull = merged(repository, 0, 8 + n, author=zoe)
        PRReviewFactory(
            pull_request=pull, reviewer=ada, submitted_at=pull.created_at + timedelta(hours=2)
        )
        PRReviewFactory(
            pull_request=pull, reviewer=zoe, submitted_at=pull.created_at
        )  # of one's own: counts nowhere
    merged(repository, 0, 5, author=bot)
    page = words(visit("people"))
    assert (
        page.index("Ada ada 0 – – – 6 0")
        < page.index("Zoe zoe 6 10 h 2 h")
        < page.index("bump[bot] 1")
    )
    assert page.index("Bots") < page.index("bump[bot]")


def test_a_person_s_page(team, visit, repository):
    ada = TeamMemberFactory(team=team, name="Ada", login="ada")
    pull = merged(repository, 0, 8, author=ada, title="Hers")
    other = merged(repository, 0, 8, title="Another’s")
    PRReviewFactory(pull_request=other, reviewer=ada, submitted_at=other.created_at)
    PRReviewFactory(pull_request=pull, submitted_at=pull.created_at)
    answer = visit("member", ada.pk)
    page = words(answer)
    assert ("Hers" in page, "Another’s" in page) == (True, False)
    html = answer.content.decode()
    assert 'class="quiet small few"' in html
    assert '<dd id="reviewed">1</dd>' in html
    assert '<dd id="reviews-received">1</dd>' in html


def test_what_is_old_is_still_shown(team, visit, repository):
    """The weeks end with the last merge, not with today: imported history may be old."""
    assert timezone.now().year >= 2026
    merged(repository, 200, 5)
    assert "1 merged" in words(visit())
