"""The GraphQL documents that the sync sends. A test validates each against GitHub's
public schema.

Cost by GitHub's rule (one request for each connection of each parent, a point for each
hundred): a page of the list pass with 100 pull requests asks for 102 connections, 1
point; a request for the details of 25 ids asks for 75, 1 point. Sizes of single commits
are left out on purpose: GitHub computes a diff for each, and no figure uses them.
"""

# GitHub's limit for `first`.
PAGE_LIMIT = 100

RATE_LIMIT = "rateLimit { cost limit remaining resetAt }"

ACTOR = """
fragment Person on Actor {
  __typename
  login
  ... on User { databaseId name }
  ... on Bot { databaseId }
  ... on Mannequin { databaseId }
  ... on Organization { databaseId }
}
"""

SCALARS = """
fragment Scalars on PullRequest {
  id
  fullDatabaseId
  number
  title
  url
  state
  isDraft
  createdAt
  updatedAt
  mergedAt
  closedAt
  additions
  deletions
  changedFiles
  baseRefName
  headRefName
  isCrossRepository
  author { ...Person }
}
"""

COMMITS = """
fragment Commits on PullRequestCommitConnection {
  pageInfo { hasNextPage endCursor }
  nodes {
    commit {
      oid
      message
      authoredDate
      committedDate
      author { name email user { databaseId login name } }
    }
  }
}
"""

REVIEWS = """
fragment Reviews on PullRequestReviewConnection {
  pageInfo { hasNextPage endCursor }
  nodes { id state submittedAt author { ...Person } }
}
"""

VIEWER = f"query Viewer {{ viewer {{ login databaseId }} {RATE_LIMIT} }}"

REPOSITORY_FIELDS = "id databaseId nameWithOwner url isEmpty defaultBranchRef { name }"

REPOSITORY = f"""
query Repository($owner: String!, $name: String!) {{
  repository(owner: $owner, name: $name) {{ {REPOSITORY_FIELDS} pullRequests {{ totalCount }} }}
  {RATE_LIMIT}
}}
"""


REPOSITORY_BY_ID = f"""
query RepositoryById($id: ID!) {{
  node(id: $id) {{ ... on Repository {{ {REPOSITORY_FIELDS} }} }}
  {RATE_LIMIT}
}}
"""

# The number of pull requests by state: three connections without nodes, which cost no
# additional point.
COUNTS = """
    open: pullRequests(states: [OPEN]) { totalCount }
    closed: pullRequests(states: [CLOSED]) { totalCount }
    merged: pullRequests(states: [MERGED]) { totalCount }
"""


def _skeleton(operation: str, field: str, also: str = "") -> str:
    """Return the query of a page of a repository's pull requests by one of their times,
    newest first. `also` are further fields of the repository.
    """
    return f"""
query {operation}($owner: String!, $name: String!, $first: Int!, $after: String) {{
  repository(owner: $owner, name: $name) {{
    {REPOSITORY_FIELDS}
    pullRequests(first: $first, after: $after, orderBy: {{field: {field}, direction: DESC}}) {{
      totalCount
      pageInfo {{ hasNextPage endCursor }}
      nodes {{ ...Scalars labels(first: 10) {{ totalCount nodes {{ name }} }} }}
    }}{also}
  }}
  {RATE_LIMIT}
}}
{SCALARS}{ACTOR}
"""


# The order by creation never changes, so a page's cursor stays valid. The order by the
# last change is compared with the watermark.
SKELETON = _skeleton("Skeleton", "CREATED_AT")
UPDATED = _skeleton("Updated", "UPDATED_AT", COUNTS)

DETAIL = f"""
query Detail($ids: [ID!]!) {{
  nodes(ids: $ids) {{
    __typename
    ... on PullRequest {{
      ...Scalars
      body
      mergedBy {{ ...Person }}
      mergeCommit {{ oid }}
      labels(first: 100) {{ nodes {{ name }} }}
      commits(first: 50) {{ ...Commits }}
      reviews(first: 50) {{ ...Reviews }}
    }}
  }}
  {RATE_LIMIT}
}}
{SCALARS}{COMMITS}{REVIEWS}{ACTOR}
"""

MORE_COMMITS = f"""
query MoreCommits($id: ID!, $first: Int!, $after: String!) {{
  node(id: $id) {{ ... on PullRequest {{ commits(first: $first, after: $after) {{ ...Commits }} }} }}
  {RATE_LIMIT}
}}
{COMMITS}
"""

MORE_REVIEWS = f"""
query MoreReviews($id: ID!, $first: Int!, $after: String!) {{
  node(id: $id) {{ ... on PullRequest {{ reviews(first: $first, after: $after) {{ ...Reviews }} }} }}
  {RATE_LIMIT}
}}
{REVIEWS}{ACTOR}
"""


def _each(operation: str, count: int, fields: str) -> str:
    """Return a query of `fields` for several repositories at once, as `r0`, `r1`, …"""
    variables = ", ".join(
        f"$owner{number}: String!, $name{number}: String!" for number in range(count)
    )
    lines = [
        f"  r{number}: repository(owner: $owner{number}, name: $name{number}) {{ {fields} }}"
        for number in range(count)
    ]
    return "\n".join([f"query {operation}({variables}) {{", *lines, f"  {RATE_LIMIT}", "}", ""])


def probe(count: int) -> str:
    """Return the query of each repository's newest pull request, with one field for
    each permission.
    """
    return _each(
        "Probe",
        count,
        "pullRequests(first: 1, orderBy: {field: CREATED_AT, direction: DESC}) "
        "{ nodes { id commits(first: 1) { nodes { commit { oid } } } reviews(first: 1) { nodes { id } } } }",
    )


def sizes(count: int, newest: int) -> str:
    """Return the query of how many pull requests each repository has, and when the
    newest were opened.
    """
    return _each(
        "Sizes",
        count,
        f"pullRequests(first: {newest}, orderBy: {{field: CREATED_AT, direction: DESC}}) "
        "{ totalCount nodes { createdAt } }",
    )


# Every document by its operation's name.
ALL = {
    "Probe": probe(2),
    "Sizes": sizes(2, 50),
    "Viewer": VIEWER,
    "Repository": REPOSITORY,
    "RepositoryById": REPOSITORY_BY_ID,
    "Skeleton": SKELETON,
    "Updated": UPDATED,
    "Detail": DETAIL,
    "MoreCommits": MORE_COMMITS,
    "MoreReviews": MORE_REVIEWS,
}
