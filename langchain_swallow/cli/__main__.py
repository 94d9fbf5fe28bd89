"""`python -m langchain_swallow.cli`."""

import sys

from langchain_swallow.cli import main

sys.exit(main())
