from sdist_name import *  # noqa: F401,F403 - see sdist_name.py
