"""`python -m engine.bench`."""

from engine.bench.command import main

raise SystemExit(main())
