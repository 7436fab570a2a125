#!/usr/bin/env bash
# Adds workers to the running Compose cluster; the head is not restarted. Usage: ./add_workers.sh [N]     (N: 1 if left out)
#
# deploy/ray/add_workers.sh is this for the cluster on Ray: it names the folder and the services (CLUSTER_...).
set -euo pipefail
cd "${CLUSTER_FOLDER:-$(dirname "${BASH_SOURCE[0]}")}"
head=${CLUSTER_HEAD:-head}
worker=${CLUSTER_WORKER:-worker}       # the service that is scaled
first_worker=${CLUSTER_FIRST_WORKER:-} # a service of one worker beside it

n=${1:-1}
if [[ $# -gt 1 || ! $n =~ ^[1-9][0-9]?$ ]]; then
    echo "usage: ./add_workers.sh [N]   (N: how many workers to add, 1 to 99)" >&2
    exit 2
fi

# Compose v2 where there is one, else docker-compose. COMPOSE names another, for tests.
if [[ -n ${COMPOSE:-} ]]; then
    read -ra compose <<<"$COMPOSE"
elif docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
else
    echo "add_workers.sh: neither 'docker compose' nor 'docker-compose' is here. A cluster of 'manta up' grows with: manta scale N" >&2
    exit 1
fi

count() { "${compose[@]}" ps -q "$1" | wc -l; }
if [[ $(count "$head") == 0 ]]; then
    echo "add_workers.sh: no cluster runs here; start it with: ${compose[*]} up -d" >&2
    exit 1
fi
scaled=$(count "$worker")
have=$((scaled + $([[ -z $first_worker ]] && echo 0 || count "$first_worker")))
echo "[SCALING] $have workers, adding $n"
"${compose[@]}" up -d --no-recreate --no-build --scale "$worker=$((scaled + n))" "$worker"
echo "[SCALING] $((have + n)) workers; the head's log shows them as they join: ${compose[*]} logs $head"
