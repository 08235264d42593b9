"""The check that refuses migrations which break the release before."""

import pytest
from django.db import migrations, models

from scripts.check_migrations import ALLOWED, problems, project_migrations

SIZE = "shop.0002_later: AddField order.size"


def make(name, *operations, initial=False):
    migration = migrations.Migration(name, "shop")
    migration.operations = list(operations)
    migration.initial = initial
    return migration


FIRST = make(
    "0001_initial",
    migrations.CreateModel(
        "Order",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("note", models.TextField(null=True)),
        ],
    ),
    initial=True,
)


def added(field, name="0002_later"):
    return make(name, migrations.AddField("Order", "size", field))


def altered(name, field, column="size"):
    return make(name, migrations.AlterField("Order", column, field))


@pytest.mark.parametrize(
    "field",
    [
        models.IntegerField(null=True),
        models.IntegerField(db_default=0),
        models.ManyToManyField("shop.Order"),
    ],
)
def test_column_that_old_code_can_leave_out_passes(field):
    assert problems([FIRST, added(field)], {}) == []


@pytest.mark.parametrize(
    "field",
    [
        models.IntegerField(default=0),
        models.TextField(blank=True),
        models.ForeignKey("shop.Order", on_delete=models.CASCADE),
    ],
)
def test_not_null_column_without_db_default_is_refused(field):
    assert problems([FIRST, added(field)], {}) == [
        f"{SIZE}: the column is NOT NULL without db_default."
    ]


def test_default_of_a_later_migration_counts():
    later = altered("0003_default", models.IntegerField(db_default=0))
    assert problems([FIRST, added(models.IntegerField(default=0)), later], {}) == []


def test_default_that_a_later_migration_takes_away_is_refused():
    later = altered("0003_default", models.IntegerField(default=0))
    assert len(problems([FIRST, added(models.IntegerField(db_default=0)), later], {})) == 1


def test_column_that_loses_its_null_is_refused():
    [problem] = problems([FIRST, altered("0002_later", models.TextField(), "note")], {})
    assert problem.startswith("shop.0002_later: AlterField order.note: ")


def test_column_of_a_new_table_passes():
    table = migrations.CreateModel("Item", [("id", models.BigAutoField(primary_key=True))])
    field = migrations.AddField(
        "Item", "order", models.ForeignKey("shop.Order", on_delete=models.CASCADE)
    )
    assert problems([FIRST, make("0002_items", table, field)], {}) == []


@pytest.mark.parametrize(
    ("operation", "named"),
    [
        (migrations.RemoveField("Order", "note"), "RemoveField order.note"),
        (migrations.RenameField("Order", "note", "text"), "RenameField order.note"),
        (migrations.RenameModel("Order", "Purchase"), "RenameModel order"),
        (migrations.DeleteModel("Order"), "DeleteModel order"),
        (migrations.AlterModelTable("Order", "orders"), "AlterModelTable order"),
    ],
)
def test_removal_in_one_step_is_refused_unless_its_reason_is_given(operation, named):
    place = f"shop.0002_later: {named}"
    both = [FIRST, make("0002_later", operation)]
    assert problems(both, {}) == [f"{place}: the release before still uses it."]
    assert problems(both, {place: "Unused since release 0.2."}) == []
    assert len(problems(both, {place: " "})) == 2


def test_removal_from_the_state_alone_passes():
    state = migrations.SeparateDatabaseAndState(
        state_operations=[migrations.RemoveField("Order", "note")]
    )
    assert problems([FIRST, make("0002_later", state)], {}) == []


def test_removal_from_the_database_alone_is_refused():
    database = migrations.SeparateDatabaseAndState(
        database_operations=[migrations.RemoveField("Order", "note")]
    )
    assert len(problems([FIRST, make("0002_later", database)], {})) == 1


def test_entry_that_allows_nothing_is_refused():
    [problem] = problems([FIRST], {SIZE: "Unused."})
    assert problem.startswith(SIZE)


def test_the_project_passes():
    found = project_migrations()
    assert {migration.app_label for migration in found} >= {
        "users",
        "teams",
        "pipelines",
        "mail",
    }
    assert problems(found, ALLOWED) == []
