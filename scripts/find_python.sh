#!/bin/sh
# find_python.sh OLDEST NEWEST INTERPRETER...
# Prints the first interpreter that runs and is Python 3.OLDEST to 3.NEWEST; fails if there is none.
# A name that is found is not enough: version managers leave names that only print an error.
oldest=$1 newest=$2
shift 2
for interpreter in "$@"; do
    if "$interpreter" -c "import sys; sys.exit(not (3, $oldest) <= sys.version_info[:2] <= (3, $newest))" \
        >/dev/null 2>&1 </dev/null; then
        echo "$interpreter"
        exit 0
    fi
done
exit 1
