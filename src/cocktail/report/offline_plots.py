"""A page for ``dvc plots show`` that opens without a network.

DVC's own page takes the plotting library from a server, and is blank offline. ``plots.html_template`` names
another page; this one has the library in it. It is written at set-up and is no part of the repository.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from cocktail.errors import CocktailError
from cocktail.files.records import write_text

PAGE = Path(".dvc/plots/page.html")
VEGA_LITE = "5.21"  # the schema of DVC's templates is version 5
SNIPPET = "window.vegaEmbed = vegaEmbed;"  # what DVC's plots call
TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots</title>
<script>%s</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def write_offline_page(root: Path) -> Path:
    """Write the page, and tell DVC of it in this checkout alone; return it.

    Raises:
        CocktailError: DVC refuses the setting.
    """
    import vl_convert

    setting = ["dvc", "config", "--local", "plots.html_template", str(PAGE.relative_to(".dvc"))]
    told = subprocess.run(setting, cwd=root, capture_output=True, text=True, check=False)
    if told.returncode:
        raise CocktailError(told.stderr.strip(), where=str(root), fix="run it at the top of the repository")
    library = vl_convert.javascript_bundle(SNIPPET, vl_version=VEGA_LITE).replace("</script", "<\\/script")
    return write_text(root / PAGE, TEMPLATE % library)
