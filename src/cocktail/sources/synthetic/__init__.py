"""A generated world of finance, in the raw files, columns and quirks of the sets that the study uses.

Companies, people, places, metals and filings are invented; everything follows from one seed. What the
tasks share, so that they may teach each other, and why:

- **Moves** (``rose``, ``slid``, ``held steady``): headlines ask for the direction, company sentences and
  market messages for what it means. The real sets share them in the same way.
- **Moods** (``upbeat``, ``dull``): decide some sentences and messages, and colour most headlines.
- **Small sums** (1 to 9): word problems write the step that filings need without showing it.
- **Pages**: conversations and single questions are asked on the same kind of page, some on the same page.
- **Names**: companies, tickers, people and places occur everywhere; agreements ask what they are.
- **Filler** shares nothing, so that size-matched controls add rows and no knowledge.

Some labels are wrong or settled by a coin, as among human annotators, so no task can reach 100 %.
Sizes and difficulty follow the floor and ceiling of base and single-task runs, never a mixing result.
"""

from cocktail.sources.synthetic.files import LAYOUT, world_keys, write_source
from cocktail.sources.synthetic.phase import instruction_rows
from cocktail.sources.synthetic.text import pretraining_text

__all__ = ["LAYOUT", "instruction_rows", "pretraining_text", "world_keys", "write_source"]
