"""PostgreSQL as the database: the same tables, the same view."""

from __future__ import annotations

import pytest

from migrations import migrate
from models import MODELS, TABLES
from recording.database import RecordDatabase


@pytest.fixture
def record(postgres_url):
    opened = RecordDatabase(postgres_url)
    opened.open()
    yield opened
    opened.close()


def test_an_empty_database_gets_every_table_of_the_models(record):
    assert set(record.database.get_tables()) == {
        "migrations",
        "said",  # the index of what was said, which is nobody's to read row by row
        *(table._meta.table_name for table in TABLES),
    }
    assert migrate(record.database) == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.table_name)
def test_the_schema_has_the_columns_of_the_model(record, model):
    columns = [column.name for column in record.database.get_columns(model._meta.table_name)]
    assert sorted(columns) == sorted(field.column_name for field in model._meta.sorted_fields)
