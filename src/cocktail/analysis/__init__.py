"""From outcomes to results: effects with intervals, choices on dev, advice, statistics, the judge."""
