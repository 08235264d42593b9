"""Refuse migrations that break the release before, whose processes still run while they
are applied.

    metrics.0009_size: AddField team.size is NOT NULL without db_default.

During an upgrade the tables are new and the code is old (docs/operations.md,
"Upgrade"). Old code leaves out columns that it does not know, and still reads those
that a migration takes away. So a new column has to be nullable or to have a default in
the database, a column that was nullable stays so unless it has one, and nothing is
removed or renamed.

`ALLOWED` has the exceptions. To remove a column, first release code that doesn't use it
(and give it `db_default`, or make it nullable), then remove it one release later, with
an entry here that names the release.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# "app.migration: Operation model.name" and why the release before does not need it any
# more.
ALLOWED: dict[str, str] = {}

TAKES_AWAY = ("RemoveField", "RenameField", "RenameModel", "DeleteModel", "AlterModelTable")


def problems(migrations: Iterable[Any], allowed: Mapping[str, str]) -> list[str]:
    """Return a sentence for each operation that the release before would not survive.

    Args:
        migrations: all migrations of the apps to check, in the order in which they are
            applied.
        allowed: see `ALLOWED`. An entry without a reason, or without its operation, is
            a problem.
    """
    checker = _Checker(allowed)
    for migration in migrations:
        checker.read(migration)
    return checker.result()


class _Checker:
    """Follows the columns from one migration to the next.

    A NOT NULL column is judged after the last migration, because one upgrade applies
    all of them: a later one may add the default.
    """

    def __init__(self, allowed: Mapping[str, str]) -> None:
        self._allowed = allowed
        self._used: set[str] = set()
        self._found: list[str] = []
        # Of each column that was added later or lost its null: the operation that did.
        self._to_judge: dict[tuple[str, str, str], str] = {}
        self._columns: dict[tuple[str, str, str], Any] = {}

    def read(self, migration: Any) -> None:
        """Take in the operations of one migration."""
        created: set[str] = set()
        for operation in _flat(migration.operations):
            kind = type(operation).__name__
            place = f"{migration.app_label}.{migration.name}: {kind}"
            if kind == "CreateModel":
                model = operation.name.lower()
                created.add(model)
                for name, field in operation.fields:
                    self._columns[migration.app_label, model, name] = field
            elif kind in ("AddField", "AlterField"):
                is_new_table = operation.model_name.lower() in created or bool(
                    migration.initial
                )
                self._read_field(migration.app_label, place, operation, is_new_table)
            elif kind in TAKES_AWAY:
                self._refuse(
                    f"{place} {_subject(operation)}", "the release before still uses it."
                )

    def _read_field(self, app: str, place: str, operation: Any, is_new_table: bool) -> None:
        key = (app, operation.model_name.lower(), operation.name)
        before = self._columns.get(key)
        self._columns[key] = operation.field
        if is_new_table:
            return
        is_added = type(operation).__name__ == "AddField"
        lost_null = before is not None and before.null and not operation.field.null
        if is_added or lost_null:
            self._to_judge[key] = f"{place} {_subject(operation)}"

    def _refuse(self, operation: str, why: str) -> None:
        if self._allowed.get(operation, "").strip():
            self._used.add(operation)
        else:
            self._found.append(f"{operation}: {why}")

    def result(self) -> list[str]:
        """Judge the columns as the last migration leaves them, and return all problems."""
        for key, operation in self._to_judge.items():
            field = self._columns[key]
            if not (field.many_to_many or field.null or field.has_db_default()):
                self._refuse(operation, "the column is NOT NULL without db_default.")
        for unused in sorted(self._allowed.keys() - self._used):
            self._found.append(
                f"{unused}: this entry has no reason, or no such operation is refused."
            )
        return self._found


def _flat(operations: Iterable[Any]) -> Iterable[Any]:
    """Yield operations, those of the database in place of the ones that separate it
    from the state.
    """
    for operation in operations:
        if type(operation).__name__ == "SeparateDatabaseAndState":
            yield from _flat(operation.database_operations)
        else:
            yield operation


def _subject(operation: Any) -> str:
    """Return "model.field", or the model's name."""
    model = getattr(operation, "model_name", None)
    if model is None:
        return str(getattr(operation, "old_name", None) or operation.name).lower()
    name = getattr(operation, "old_name", None) or operation.name
    return f"{model.lower()}.{name}"


def project_migrations() -> list[Any]:
    """Return the migrations of the project's own apps, in the order in which an upgrade
    applies them.

    A squashed migration is for new databases only: an upgrade runs those that it
    replaces.
    """
    from django.apps import apps
    from django.db.migrations.loader import MigrationLoader

    own = {config.label for config in apps.get_app_configs() if config.name.startswith("apps.")}
    loader = MigrationLoader(None, replace_migrations=False)
    order: dict[tuple[str, str], None] = {}
    for leaf in loader.graph.leaf_nodes():
        order |= dict.fromkeys(loader.graph.forwards_plan(leaf))
    migrations = [loader.graph.nodes[key] for key in order if key[0] in own]
    return [migration for migration in migrations if not migration.replaces]


def main() -> int:
    import django

    django.setup()
    found = problems(project_migrations(), ALLOWED)
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    import os

    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    sys.exit(main())
