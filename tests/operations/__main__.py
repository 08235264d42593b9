"""`python -m tests.operations [--install] [--keep]`: see the package's docstring."""

import argparse
import logging
import os
import sys
import time
import traceback

import django

# Ten of the steps, at the least, or the trial does nothing.
FLOOR = 10


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.operations", description="Play docs/operations.md."
    )
    parser.add_argument(
        "--install",
        action="store_true",
        help="let `make install` install all packages (network)",
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder there")
    options = parser.parse_args()
    began = time.monotonic()
    # Only what this process shares with other tests needs settings: the product has its
    # own.
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    from tests.operations.place import Place
    from tests.operations.steps import Trial

    with Place.make(keep=options.keep) as place:
        print(f"In {place.folder}", flush=True)
        trial = Trial(place, install=options.install)
        try:
            done = play(trial)
        except Exception:
            traceback.print_exc()
            print(place.logs(), file=sys.stderr)
            return 1
        finally:
            trial.close()
    print(f"{done} steps in {time.monotonic() - began:.0f} s, floor {FLOOR}")
    return 0 if done >= FLOOR else 1


def play(trial):
    """Take the steps in order; return how many. Raises what a step raises."""
    steps = trial.steps()
    for number, step in enumerate(steps, 1):
        print(f"{number}. {step.__doc__}", flush=True)
        began = time.monotonic()
        step()
        print(f"   {time.monotonic() - began:.0f} s", flush=True)
    return len(steps)


if __name__ == "__main__":
    sys.exit(main())
