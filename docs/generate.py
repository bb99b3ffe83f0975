"""Write the reference pages (one a module, the command line's help, the settings of a study file) and benchmarks.

``make docs`` runs it before ``mkdocs build``, which loads it again as a hook to list the pages in the navigation.
The same sources give the same bytes.
"""

import argparse
import json
import os
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "nigra"
REFERENCE = ROOT / "docs" / "reference"
MEASURED = ROOT / "docs" / "benchmarks.json"


def main() -> None:
    """Write ``docs/reference`` afresh, and the page of benchmarks."""
    pages = {f"{module}.md": f"::: {module}\n" for _, modules in parts() for module in modules}
    pages |= {"index.md": index_page(), "cli.md": cli_page(), "settings.md": settings_page()}
    REFERENCE.mkdir(exist_ok=True)
    for path in REFERENCE.glob("*.md"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    print(f"{len(pages)} pages in {REFERENCE.relative_to(ROOT)}")
    write_benchmarks(MEASURED)


def parts() -> list[tuple[str, list[str]]]:
    """Every part of the package with its modules, in data-flow order: the import layers from below."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    return [(name, modules_of(name)) for name in reversed(layers)]


def modules_of(part: str) -> list[str]:
    """Dotted names of a part's modules, the part itself first."""
    if (PACKAGE / f"{part}.py").exists():
        return [f"nigra.{part}"]
    inner = sorted(path.stem for path in (PACKAGE / part).glob("*.py") if path.stem != "__init__")
    return [f"nigra.{part}", *(f"nigra.{part}.{name}" for name in inner)]


def first_line(module: str) -> str:
    """What a module says of itself in one line."""
    base = ROOT.joinpath("src", *module.split("."))
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    return path.read_text(encoding="utf-8").removeprefix('"""').split("\n", 1)[0].rstrip('"')


def index_page() -> str:
    """All modules with their first lines."""
    lines = ["# Reference", "", "- [The command line](cli.md)", "- [Settings of a study file](settings.md)", ""]
    lines += ["Modules stand in the order data flows; each imports only from those above it.", ""]
    lines += ["| module | what |", "|---|---|"]
    lines += [
        f"| [`{module}`]({module}.md) | {first_line(module)} |" for _, modules in parts() for module in modules
    ]
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    """``--help`` of the program and of every command."""
    os.environ |= {"COLUMNS": "100", "NO_COLOR": "1"}  # or it would follow the terminal it is made in
    from nigra.cli import build_parser

    parser = build_parser()
    action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    text = ["# The command line", "", "`nigra COMMAND --help` prints what stands here.", ""]
    for name, one in {"nigra": parser, **action.choices}.items():
        text += [
            f"## {name if one is parser else f'nigra {name}'}",
            "",
            "```text",
            one.format_help().rstrip(),
            "```",
            "",
        ]
    return "\n".join(text)


def settings_page() -> str:
    """Every setting of a study file with its default and meaning."""
    from nigra.config import describe

    intro = (
        "What `nigra run STUDY --config FILE` reads, with defaults; `nigra settings` prints it. A study file\n"
        "names only what it changes. An unknown name is refused with a suggestion. Flags of `nigra run` change\n"
        "how it is executed, never its results."
    )
    return f"# Settings of a study file\n\n{intro}\n\n```yaml\n{describe()}\n```\n"


def write_benchmarks(measured: Path) -> None:
    """The page and picture that belong to what ``nigra bench all --json`` measured, beside it."""
    from nigra.bench.page import NOTHING, PICTURE, page
    from nigra.bench.plot import cost_figure
    from nigra.figures import save

    if not measured.exists():
        measured.with_suffix(".md").write_text(NOTHING, encoding="utf-8")
        return
    content = json.loads(measured.read_text(encoding="utf-8"))
    measured.with_suffix(".md").write_text(page(content), encoding="utf-8")
    if any(comparison["curve"] for comparison in content["comparisons"]):
        save(cost_figure(content), measured.parent / PICTURE, ("svg",))


def on_config(config: Any) -> Any:
    """Hook of mkdocs: list every module's page in the navigation, by part of the package."""
    reference = next(entry["Reference"] for entry in config["nav"] if "Reference" in entry)
    for name, modules in parts():
        pages = [{module.removeprefix("nigra."): f"reference/{module}.md"} for module in modules]
        reference.append({name: pages} if len(pages) > 1 else pages[0])
    return config


if __name__ == "__main__":
    main()
