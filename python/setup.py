"""Nothing here is compiled: scripts/wheel puts the native program into manta/bin, and that makes the wheel one of a platform."""
import os

from setuptools import setup

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    from wheel.bdist_wheel import bdist_wheel


class PlatformWheel(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = not os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), "manta", "bin", "manta"))

    def get_tag(self):
        tag = super().get_tag()
        return tag if self.root_is_pure else ("py3", "none", os.environ.get("MANTA_WHEEL_PLATFORM", tag[2]))


setup(cmdclass={"bdist_wheel": PlatformWheel})
