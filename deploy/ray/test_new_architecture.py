#!/usr/bin/env python3
"""The architecture test on Ray: asks the actor 'prompt_coordinator' where the head is, then does what `manta verify` does. Arguments are passed on (-o json)."""
import sys

from manta.ray.__main__ import main

sys.argv[1:1] = ["verify"]
sys.exit(main())
