"""Run the first notebook headless on the local service and write what came of it: ``make demo``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notebook", type=Path, default=HERE / "01-first-query.ipynb")
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    print(f"Running {arguments.notebook.name} on the local service (less than a minute) ...", flush=True)
    notebook = nbformat.read(arguments.notebook, as_version=4)
    quietly = ["--IPKernelApp.log_level=ERROR"]
    resources = {"metadata": {"path": str(HERE)}}
    try:
        NotebookClient(notebook, timeout=600, resources=resources, extra_arguments=quietly).execute()
    except CellExecutionError as error:
        sys.exit(f"{arguments.notebook.name} failed:\n{error}")

    executed = arguments.out / arguments.notebook.name
    nbformat.write(notebook, executed)
    page = executed.with_suffix(".html")
    page.write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
    print(f"Executed notebook: {executed}\nHTML page:         {page}\n\nThe last panel:\n{last_panel(notebook)}")


def last_panel(notebook: nbformat.NotebookNode) -> str:
    """Find the last status panel, as plain text."""
    for cell in reversed(notebook.cells):
        for output in cell.get("outputs", []):
            if cell.source.startswith("%%roe") and output.output_type == "display_data":
                return str(output.data["text/plain"])
    sys.exit("The notebook shows no panel.")


if __name__ == "__main__":
    main()
