"""manta: one LLM service out of the machines you have. The program is native; this package carries it and starts it.

`python -m manta ...` is the program itself; `manta.client` asks a head; `manta.ray` runs manta on a Ray cluster.
"""

__version__ = "0.1.0"
