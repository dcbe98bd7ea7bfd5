"""Tells as JSON what a Python interpreter is made of: its version, standard library, and the AWS SDK if it has it."""

import importlib.metadata
import importlib.util
import json
import os
import sys
import sysconfig

# The SDK and what it needs, as Debian and pip install them. None of them is needed by Python itself.
SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six", "certifi")
# Debian's botocore takes these from elsewhere instead of bringing its own.
REQUESTS = ("requests", "chardet", "charset_normalizer", "idna")


def path_of(name):
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    return os.path.dirname(spec.origin) if spec.submodule_search_locations else spec.origin


def version_of(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


botocore = path_of("botocore")
has_own_requests = botocore is not None and os.path.isdir(os.path.join(botocore, "vendored", "requests"))
paths = [path for path in map(path_of, SDK + (() if has_own_requests else REQUESTS)) if path is not None]
boto3 = version_of("boto3") if path_of("boto3") and botocore else None
print(
    json.dumps(
        {
            "version": sys.version.split()[0],
            "executable": os.path.realpath(sys.executable),
            "prefix": os.path.realpath(sys.base_prefix),
            "libraryDir": os.path.realpath(sysconfig.get_path("stdlib")),
            "sdk": {"version": boto3, "paths": paths} if boto3 else None,
        }
    )
)
