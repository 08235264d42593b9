"""The generated organization's repositories: how much happens in each, who works there,
and the pattern that its figures contain.

The patterns that the product has to find:

- `checkout-api`: the wait for a first review rises from about three hours to more than
  a day in the last three months.
- `ledger`: one person, tomasz-zielinski, gives most of the reviews.
- `storefront`: work with an AI assistant grows from almost none to a third of the pull
  requests.
- `infra`: a quarter of the changes is merged without a review.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """`weekly` pull requests; medians in hours from opening to the first review and
    from there to the merge.

    `team` and `reviewers` give weights by login; without `reviewers` everyone in the
    team reviews alike. `ai` is the share of pull requests with an assistant's marks at
    the beginning and at the end of the year.
    """

    name: str
    description: str
    language: str
    weekly: float
    team: dict[str, float]
    reviewers: dict[str, float] | None = None
    review_hours: float = 4.0
    merge_hours: float = 5.0
    lines: int = 60
    reviewed: float = 0.93
    ai: tuple[float, float] = (0.05, 0.2)
    bots: float = 0.1
    ai_review: float = 0.0
    is_private: bool = True
    # Weeks before the end at which work stops: an archived repository.
    ends: int = 0
    # Weeks before the end from which the first review is late, and how many times later
    # it is then.
    slows: tuple[int, float] | None = None


PLANS = (
    Plan(
        "storefront",
        "The shop that customers see: web client and its server-side rendering",
        "TypeScript",
        16.0,
        {
            "mara-lindqvist": 2,
            "priya-raman": 2,
            "emily-tran": 2,
            "lukas-brandt": 2,
            "olivia-hart": 1.5,
            "claude-moreau": 1,
            "yuki-tanabe": 1,
            "jweber": 0.7,
            "anneke-devries": 0.5,
        },
        review_hours=3.0,
        ai=(0.02, 0.36),
        bots=0.08,
        ai_review=0.35,
    ),
    Plan(
        "checkout-api",
        "Carts, payments and orders over HTTP",
        "Python",
        12.0,
        {
            "jduarte": 2,
            "aisha-bello": 2,
            "rafael-nunes": 2,
            "wei-chen": 2,
            "sam-riley": 1,
            "hannah-oconnor": 1,
        },
        review_hours=2.6,
        slows=(13, 9.0),
        ai=(0.08, 0.22),
    ),
    Plan(
        "ledger",
        "Double-entry bookkeeping for everything that is paid",
        "Go",
        7.5,
        {
            "tomasz-zielinski": 0.7,
            "dmitri-volkov": 2,
            "sofia-castellano": 2,
            "ben-okafor": 2,
            "leila-farahani": 2,
            "p-nowak-imported": 0.6,
        },
        reviewers={
            "tomasz-zielinski": 14,
            "dmitri-volkov": 1,
            "sofia-castellano": 1,
            "ben-okafor": 1,
            "leila-farahani": 1,
        },
        review_hours=7.0,
        merge_hours=9.0,
        reviewed=0.99,
        ai=(0.01, 0.06),
    ),
    Plan(
        "mobile-ios",
        "The iOS app",
        "Swift",
        7.2,
        {
            "kenji-mori": 2,
            "nadia-haddad": 2,
            "marcus-webb": 1,
            "olivia-hart": 1,
            "gustav-ek": 1,
        },
        review_hours=6.0,
        merge_hours=7.0,
        lines=110,
        ai=(0.05, 0.2),
        bots=0.03,
    ),
    Plan(
        "infra",
        "Clusters, networks and pipelines as code",
        "HCL",
        7.0,
        {
            "anneke-devries": 2,
            "gustav-ek": 2,
            "lukas-brandt": 1,
            "ingrid-solberg": 2,
            "ben-okafor": 0.5,
        },
        review_hours=1.5,
        merge_hours=1.5,
        lines=22,
        reviewed=0.75,
        ai=(0.04, 0.15),
        bots=0.22,
    ),
    Plan(
        "data-pipeline",
        "From events to the warehouse: ingestion, models, quality checks",
        "Python",
        5.2,
        {"wei-chen": 2, "leila-farahani": 2, "priya-raman": 1, "marcus-webb": 2, "jweber": 0.8},
        review_hours=5.0,
        merge_hours=6.0,
        lines=80,
        ai=(0.1, 0.3),
    ),
    Plan(
        "design-system",
        "Components, tokens and icons that every front end shares",
        "TypeScript",
        5.2,
        {
            "hannah-oconnor": 2,
            "claude-moreau": 2,
            "yuki-tanabe": 2,
            "sofia-castellano": 0.5,
            "emily-tran": 1,
        },
        review_hours=3.5,
        ai=(0.06, 0.25),
        bots=0.14,
        is_private=False,
    ),
    Plan(
        "handbook",
        "How we work",
        "Markdown",
        1.1,
        {"mara-lindqvist": 2, "ingrid-solberg": 1, "sam-riley": 1, "hannah-oconnor": 1},
        review_hours=9.0,
        merge_hours=3.0,
        lines=18,
        reviewed=0.6,
        ai=(0.0, 0.1),
        bots=0.0,
        is_private=False,
    ),
    Plan(
        "legacy-portal",
        "The old customer portal, switched off in favor of storefront",
        "PHP",
        2.6,
        {"rafael-nunes": 2, "jweber": 2, "marcus-webb": 1},
        review_hours=12.0,
        merge_hours=10.0,
        ai=(0.0, 0.0),
        ends=30,
    ),
)
EMPTY = ("sandbox-empty", "Reserved for the pricing service")
