"""After random changes and one refresh, everything that is stored equals a first read
of the same sources.
"""

import random
from collections import Counter

import pytest
from django.urls import reverse

from apps.integrations.webhooks import handling
from apps.teams.models import Team
from tests import migrated
from tests.integrations import git_histories, shown, teams
from tests.integrations.git.conftest import Builder
from tests.integrations.installation import installed
from tests.integrations.random_changes import FAULTS, KINDS, World
from tests.integrations.test_webhooks import signed_by

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
SECONDS = 180
# How often each kind of change has to occur.
FLOOR = 5
# How many differences a failure shows.
MOST_SHOWN = 30


@pytest.fixture
def other(octo, tmp_path, request):
    """Another installation, which reads for the first time."""
    database = tmp_path / "other" / "db.sqlite3"
    database.parent.mkdir()
    migrated.copy_to(database, request.config.cache.mkdir("migrated"))
    with installed(database, octo.url) as other:
        yield other


def test_refresh_equals_a_first_read(octo, other, client, tmp_path, settings, trial):
    counts, sequences = Counter(), 0
    rare = KINDS
    # On a slow machine it takes longer to reach the floor of each kind.
    while trial.goes_on(SECONDS) or (rare and trial.goes_on(3 * SECONDS)):
        seed = trial.seed * 1_000_000 + sequences
        settings.GIT_SOURCE_ROOT = tmp_path / str(seed)
        settings.GIT_SOURCE_ROOT.mkdir()
        octo.reset()
        octo.faults()
        try:
            one_sequence(octo, other, client, settings.GIT_SOURCE_ROOT, seed, counts)
        except BaseException:
            print(f"{sequences} sequences passed before")
            raise
        sequences += 1
        rare = [kind for kind in KINDS if counts[kind] < FLOOR]
    for fault, kinds in FAULTS.items():
        print(f"{sum(counts[kind] for kind in kinds):5}  {fault}: {', '.join(kinds)}")
    print(dict(sorted(counts.items())))
    trial.reached(sequences, floor=10)
    assert not rare or trial.seconds(SECONDS) < SECONDS, rare


def one_sequence(octo, other, client, root, seed, counts):
    """Change things between nights, refresh, and compare."""
    dice = random.Random(seed)
    builder = Builder(root / "api")
    git_histories.begin(builder)
    world = World(octo, builder, dice, counts)
    slug = f"octo-{seed}"
    team = teams.read(slug, list(world.names.values()), ["api"], world.first_day)
    hook, secret = handling.make(team, None)
    address = reverse("integrations:webhook", kwargs={"source": "github", "key": hook.key})
    is_hidden = dice.random() < 0.4
    done = []
    for _ in range(dice.randrange(1, 4)):
        world.catch_up()
        began = len(done)
        done += [
            "night",
            *(world.change(hidden=is_hidden) for _ in range(dice.randrange(3, 15))),
        ]
        Team.objects.filter(pk=team.pk).update(history_start=world.first_day)
        for event, payload in world.deliveries():
            assert signed_by(secret, client, address, event, payload).status_code == 200
        world.begin_night()
        # GitHub may refuse the account itself, and so all that it reads.
        options = {"verify": is_hidden, "may_fail": "refused_for_a_night" in done[began:]}
        if dice.random() < 0.2:
            counts["killed"] += 1
            teams.refresh_killed(team, after=dice.random(), **options)
        else:
            teams.refresh(team, **options)
        world.recover()
    world.catch_up()
    teams.refresh(team, verify=is_hidden)
    what = f"sequence {seed} since {world.first_day}: {done}"
    assert teams.errors(team) == {}, what
    assert other.read(slug, list(world.names.values()), ["api"], root, world.first_day) == {}, (
        what
    )
    found = shown.differences(shown.of(slug), other.shown(slug))
    assert not found, "\n".join([what, *found[:MOST_SHOWN]])
