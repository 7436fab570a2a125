"""Nothing here is compiled: scripts/wheel puts the native program into manta/bin, and that makes the wheel one of a platform."""
import os

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

CARRIES_PROGRAM = os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), "manta", "bin", "manta"))


class PlatformDistribution(Distribution):
    def has_ext_modules(self):
        return CARRIES_PROGRAM


class PlatformWheel(bdist_wheel):
    """Of any Python, but of one platform."""

    def get_tag(self):
        tag = super().get_tag()
        return ("py3", "none", os.environ.get("MANTA_WHEEL_PLATFORM", tag[2])) if CARRIES_PROGRAM else tag


setup(distclass=PlatformDistribution, cmdclass={"bdist_wheel": PlatformWheel})
