#!/usr/bin/env python3
"""The real-time client on Ray: asks the actor 'prompt_coordinator' where the head is, then is `manta prompt`. Words given are one prompt."""
import sys

from manta.ray.__main__ import main

sys.argv[1:1] = ["prompt"]
sys.exit(main())
