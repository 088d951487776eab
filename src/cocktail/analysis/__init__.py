"""From item codes to the numbers of the tables: effects with intervals, transfer, leave-one-out, metrics."""
