"""``python -m nigra`` is the ``nigra`` command."""

from nigra.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
