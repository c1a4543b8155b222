"""Parquet: one row a fact with its evidence, in typed columns; written a row group at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgbuild.write.atomic import part_of
from plugbase.errors import UserError

if TYPE_CHECKING:
    from kgbuild.export import Described
    from kgbuild.read.graph import GraphFile
    from kgbuild.types import Fact

_GROUP_ROWS = 1 << 16


def write(graph: GraphFile, items: Iterable[Described], output: Path) -> Mapping[Path, int]:
    """Write the facts to the file `output`, in the order of the graph.

    Raises:
        UserError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("item", pa.string()),
            ("relation", pa.string()),
            ("value", pa.string()),
            ("range", pa.string()),
            ("number", pa.float64()),
            ("date", pa.date32()),
            ("confidence", pa.float64()),
            ("source", pa.string()),
            ("field", pa.string()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("quote", pa.string()),
        ]
    )
    part, count = part_of(output), 0
    try:
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            all_rows = (_row(fact) for _, facts in items for fact in facts)
            while rows := list(islice(all_rows, _GROUP_ROWS)):
                columns = dict(zip(schema.names, zip(*rows, strict=True), strict=True))
                writer.write_table(pa.table(columns, schema=schema))
                count += len(rows)
        part.replace(output)
    except OSError as error:
        raise UserError(f"cannot be written: {error}", file=str(output)) from error
    finally:
        part.unlink(missing_ok=True)
    return {output: count}


def _row(fact: Fact) -> tuple[Any, ...]:
    """The cells of a fact in the order of the columns; `value` has the text of a number or a date as well."""
    value, mention = fact.value, fact.mention
    return (
        mention.item,
        fact.relation,
        str(value),
        fact.range,
        float(value) if isinstance(value, int | float) else None,
        value if isinstance(value, date) else None,
        mention.confidence,
        mention.source,
        mention.field,
        mention.start,
        mention.end,
        mention.quote,
    )
