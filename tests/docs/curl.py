"""``curl`` as the documents use it, for machines without it; other than curl it fails where the server refuses."""

from __future__ import annotations

import argparse
import sys
import urllib.error
import urllib.request

cli = argparse.ArgumentParser()
cli.add_argument("-X", dest="method")
cli.add_argument("-d", dest="data")
cli.add_argument("url")
arguments = cli.parse_args()
body = arguments.data.encode() if arguments.data else None
request = urllib.request.Request(arguments.url, body, method=arguments.method or ("POST" if body else "GET"))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with opener.open(request, timeout=30) as answer:
        sys.stdout.write(answer.read().decode())
except urllib.error.HTTPError as error:
    sys.exit(f"{arguments.url}: {error.code} {error.read().decode()}")
