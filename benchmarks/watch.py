"""Prepares what the stream's benchmark watches: a team, its owner's session, a run.

Prints the session and the path.
"""

import sys

import django


def main() -> None:
    django.setup()
    from django.test import Client
    from django.urls import reverse

    from apps.pipelines import engine
    from apps.teams.models import Team
    from apps.teams.services import create_team
    from apps.users.models import User

    times, pause, go = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    owner = User.objects.filter(email="owner@example.com").first() or User.objects.create_user(
        "owner@example.com"
    )
    team = Team.objects.first() or create_team("Bench", owner)
    client = Client()
    client.force_login(owner)
    run, _ = engine.start(
        "watched", subject=f"team:{team.pk}", params={"times": times, "pause": pause, "go": go}
    )
    print(
        client.cookies["sessionid"].value,
        reverse("onboarding:run_events", args=[team.slug, run.pk]),
    )


if __name__ == "__main__":
    main()
