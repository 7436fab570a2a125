#!/usr/bin/env bash
# Adds Ray nodes, each with a worker, to the running cluster of docker-compose.laptop.yml. Usage: ./add_workers.sh [N]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CLUSTER_FOLDER=$here CLUSTER_HEAD=ray-head CLUSTER_WORKER=ray-worker CLUSTER_FIRST_WORKER=ray-worker-1
exec "$here/../../add_workers.sh" "$@"
