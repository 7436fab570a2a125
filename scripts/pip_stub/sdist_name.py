"""Answers pip's one question about a source package: what is its name?

`pip download` asks the build system of a source package for its name before it saves the file, and for that it would
download build tools and run the package's own code. We only want the sources. With this folder on PYTHONPATH and
--no-build-isolation, pip asks us instead, and the answer is in the PKG-INFO file that every source package carries.
"""
import os
import shutil


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    fields = {}
    with open("PKG-INFO", encoding="utf-8") as lines:
        for line in lines:
            if not line.strip():
                break
            key, _, value = line.partition(":")
            fields.setdefault(key, value.strip())
    folder = "%s-%s.dist-info" % (fields["Name"].replace("-", "_"), fields["Version"])
    os.makedirs(os.path.join(metadata_directory, folder))
    shutil.copy("PKG-INFO", os.path.join(metadata_directory, folder, "METADATA"))
    return folder
