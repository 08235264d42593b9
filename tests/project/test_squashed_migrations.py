"""A new database runs a squashed migration; one of an earlier release has run the
migrations that it replaces.

Both must end with the same tables.
"""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
MIGRATE = """
import json
import sys

import django

django.setup()

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

app, way = sys.argv[1:]
if way == "replaced":
    executor = MigrationExecutor(connection)
    executor.loader.replace_migrations = False
    executor.loader.build_graph()
    graph = executor.loader.graph
    leaves = [leaf for leaf in graph.leaf_nodes() if leaf[0] == app]
    executor.migrate([leaf for leaf in leaves if not graph.nodes[leaf].replaces])
# Afterwards this has nothing left to do, as in an upgrade.
call_command("migrate", app, verbosity=0)

INDEXES = {
    "sqlite": "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    "postgresql": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
}


def described(cursor, table):
    columns = connection.introspection.get_table_description(cursor, table)
    constraints = []
    for name, constraint in connection.introspection.get_constraints(cursor, table).items():
        # SQLite numbers those that have no name.
        is_numbered = name.startswith(("__unnamed", "fk_"))
        constraints.append(repr(("" if is_numbered else name, constraint)))
    # An added column is the last one of its table, so columns have no order here.
    return sorted(map(repr, columns)), sorted(constraints)


with connection.cursor() as cursor:
    names = [name for name in connection.introspection.table_names(cursor) if name.startswith(f"{app}_")]
    tables = {name: described(cursor, name) for name in names}
    cursor.execute(INDEXES[connection.vendor])
    indexes = sorted(row for row in cursor.fetchall() if row[0] in names)
    cursor.execute("SELECT name FROM django_migrations WHERE app = %s ORDER BY name", [app])
    print(json.dumps({"tables": tables, "indexes": indexes, "applied": cursor.fetchall()}))
"""


def migrated(app, way, url):
    """Migrate an empty database, and return its tables of an app and the names of the
    applied migrations.
    """
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": url}
    command = [sys.executable, "-W", "ignore", "-c", MIGRATE, app, way]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(request, tmp_path):
    """Return a function that makes an empty database and returns its address."""

    def make():
        name = f"squashed_{uuid.uuid4().hex[:8]}"
        if request.param == "sqlite":
            return f"sqlite:///{tmp_path / name}"
        address = request.getfixturevalue("postgres_url")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{address.rpartition('/')[0]}/{name}"

    return make


@pytest.mark.long
@pytest.mark.parametrize(("app", "tables"), [("metrics", 18), ("integrations", 8)])
def test_a_squashed_migration_makes_the_same_tables_as_those_it_replaces(
    new_database, app, tables
):
    squashed = migrated(app, "squashed", new_database())
    replaced = migrated(app, "replaced", new_database())
    assert squashed["tables"].keys() == replaced["tables"].keys()
    for name, table in squashed["tables"].items():
        assert table == replaced["tables"][name], name
    assert squashed["indexes"] == replaced["indexes"]
    assert len(squashed["tables"]) >= tables
    assert squashed["applied"] == replaced["applied"]
