"""Identify a repository by GitHub's `databaseId`. Its name and its node id are only
addresses, which may change.

    read_list(source, address_of(repository), first=100, after=None, document=…)    a page of that repository, or NameTaken

A repository is asked for by its name. If the name leads to no repository, or to another
one, the node id leads to the present name. Rows of one repository are never mixed with
those of another one that has taken its name.
"""

from dataclasses import dataclass, replace

from django.db.models import Q

from apps.integrations.models import TrackedRepository
from apps.integrations.sources.errors import SameRepository
from apps.integrations.sources.github.errors import NameTaken, NotFound
from apps.integrations.sources.github.pages import GitHubPages, RepositoryFacts, SkeletonPage
from apps.metrics.cache import touch
from apps.metrics.models import PullRequest, Repository

FORMER = " (formerly"


@dataclass(frozen=True, slots=True)
class Address:
    """The addresses of a repository, and the number that identifies it."""

    full_name: str
    node_id: str
    github_id: int | None

    @property
    def has_name(self) -> bool:
        """Return whether the name may exist at GitHub, and was not made up by
        `_former`.
        """
        return FORMER not in self.full_name


def address_of(repository: Repository) -> Address:
    """Return the address by which GitHub is asked about a stored repository."""
    return Address(repository.full_name, repository.external_id, repository.github_id)


def read_list(
    source: GitHubPages, address: Address, *, first: int, after: str | None, document: str
) -> SkeletonPage:
    """Read a page of the list of this repository, whatever it is called now.

    Raises:
        NameTaken: if another repository has the name now, and this one cannot be found.
        NotFound: if there is no repository under the name, and this one cannot be
            found.
        GitHubError: as `GitHubPages.skeleton`.
    """

    def page_of(name: str) -> SkeletonPage:
        return source.skeleton(name, first=first, after=after, document=document)

    try:
        # The name first, because a page costs one request by the name and two by the
        # node id.
        page = page_of(address.full_name) if address.has_name else None
    except NotFound:
        found = _follow(source, address)
        if found is None:
            raise
        return page_of(found.full_name)
    if page is not None and _is_same(source, page.facts, address):
        return page
    found = _follow(source, address)
    if found is None:
        raise NameTaken(address.full_name.partition(FORMER)[0])
    taken = address.full_name if page is not None else ""
    return replace(page_of(found.full_name), taken_name=taken)


def confirm(source: GitHubPages, address: Address) -> None:
    """Raise an error if this repository can't be read any more under any name.

    Raises:
        NotFound: if it does not exist, or the token has no access to it.
        GitHubError: as `GitHubPages.repository`.
    """
    name = address.full_name.partition(FORMER)[0]
    try:
        facts = source.repository(name) if address.has_name else None
    except NotFound:
        facts = None
    if facts is not None and _is_same(source, facts, address):
        return
    # The name leads to no repository, or to another one. The node id still finds a
    # renamed repository.
    if _follow(source, address) is None:
        raise NotFound.repository()


def _follow(source: GitHubPages, address: Address) -> RepositoryFacts | None:
    found = source.repository_by_id(address.node_id) if address.node_id else None
    if found is None or (
        address.github_id is not None and found.github_id != address.github_id
    ):
        return None
    return found


def _is_same(source: GitHubPages, facts: RepositoryFacts, address: Address) -> bool:
    if address.github_id is not None and facts.github_id is not None:
        return facts.github_id == address.github_id
    if not address.node_id or facts.external_id == address.node_id:
        return True
    # An earlier release stored only the node id, whose format may have changed.
    found = source.repository_by_id(address.node_id)
    return found is None or found.github_id == facts.github_id


def identify(tracked: TrackedRepository, page: SkeletonPage) -> list[str]:
    """Store the repository's own facts from a page, inside the open unit. Returns lines
    for the run's log.

    Raises SameRepository if the team tracks it under another name, too.
    """
    repository, facts = tracked.repository, page.facts
    values = {
        "external_id": facts.external_id,
        "github_id": facts.github_id,
        "host": facts.host,
        "url": facts.url,
        "default_branch": facts.default_branch,
        "full_name": facts.full_name,
    }
    changed = [name for name, value in values.items() if getattr(repository, name) != value]
    if not changed:
        return []
    _unite(repository, facts)
    if "full_name" in changed and not _free(repository, facts.full_name):
        changed.remove("full_name")
    former = repository.full_name.partition(FORMER)[0]
    lines: list[str] = []
    if "full_name" in changed and repository.external_id:
        lines.append(f"{former} was renamed to {facts.full_name} on GitHub.")
    for name in changed:
        setattr(repository, name, values[name])
    repository.save(update_fields=changed)
    if page.taken_name and not _is_tracked(repository, former):
        tracked.notice = (
            f"{facts.full_name} was named {former} before. Another repository is now named "
            f"{former}. Choose it, too, if you need it."
        )
        tracked.save(update_fields=["notice"])
        lines.append(f"Another repository is now named {former}. It is not tracked.")
    _forget_notices(repository)
    touch(repository.team_id)
    return lines


def _is_tracked(repository: Repository, full_name: str) -> bool:
    rows = TrackedRepository.objects.for_team(repository.team_id).exclude(pk=repository.pk)
    return rows.filter(
        repository__source=repository.source, repository__full_name__iexact=full_name
    ).exists()


def free_name(tracked: TrackedRepository) -> None:
    """Take the name away from a repository, because another one has it at GitHub now.

    Call it inside the open unit.
    """
    repository = tracked.repository
    if FORMER not in repository.full_name:
        # The rows stay readable under a name that GitHub cannot have.
        repository.full_name = _former(repository)
        repository.save(update_fields=["full_name"])
        touch(repository.team_id)


def _former(repository: Repository) -> str:
    return f"{repository.full_name[:250]}{FORMER}, id {repository.github_id or repository.pk})"


def _unite(repository: Repository, facts: RepositoryFacts) -> None:
    """Move the data of the repository from a row that is not tracked any more to this
    one.
    """
    same = Q(external_id=facts.external_id)
    if facts.github_id is not None:
        same |= Q(github_id=facts.github_id, host__in=["", facts.host])
    others = (
        Repository.objects.for_team(repository.team_id)
        .filter(source=repository.source)
        .exclude(pk=repository.pk)
    )
    for other in others.filter(same):
        if TrackedRepository.objects.for_team(repository.team_id).filter(pk=other.pk).exists():
            # Both rows are read, so neither may be merged into the other one silently.
            raise SameRepository(repository.full_name, other.full_name)
        pulls = PullRequest.objects.for_team(repository.team_id)
        known = pulls.filter(repository=repository).values("number")
        # A number is unique in a repository, so rows that exist on both sides are
        # deleted on one of them.
        pulls.filter(repository=other, number__in=known).delete()
        pulls.filter(repository=other).update(repository=repository)
        other.delete()


def _free(repository: Repository, full_name: str) -> bool:
    """Free the name that the repository has at GitHub.

    Returns False if a row that has not been read yet has it.
    """
    others = (
        Repository.objects.for_team(repository.team_id)
        .filter(source=repository.source)
        .exclude(pk=repository.pk)
    )
    for other in others.filter(full_name__iexact=full_name):
        if not other.external_id and other.github_id is None:
            return False
        # A name is unique at GitHub, so the other row is out of date.
        other.full_name = _former(other)
        other.save(update_fields=["full_name"])
    return True


def _forget_notices(repository: Repository) -> None:
    """Clear the notices of other repositories about the name that this repository has."""
    rows = TrackedRepository.objects.for_team(repository.team_id).exclude(pk=repository.pk)
    name = repository.full_name
    # The second one is the text of notices from before it was shortened.
    texts = Q(notice__contains=f" is now named {name}. ") | Q(
        notice__contains=f" the name {name} now."
    )
    rows.filter(texts).update(notice="")
