/* The table of commands: name, arguments, description, examples (one per line), settings
 * (settings.h), minimum and maximum number of arguments, the function in main.c. Help, man pages
 * and completions are made from it. */
#ifndef MANTA_MAIN_COMMANDS_H
#define MANTA_MAIN_COMMANDS_H

/* clang-format off */
#define COMMANDS(C) \
    C("up", "", "start a head and workers, here or on an engine, and open a chat", "manta up --workers 3 --model smollm2\n         manta up -d                                      # in the background\n         manta up --on compose --workers 2 --no-prompt    # `manta up --on help` lists the engines", USE_HEAD | USE_WORKER | USE_UP, 0, 0, run_up) \
    C("down", "", "stop the cluster that runs here or on an engine, and nothing else", "manta down\n         manta down --on compose --cluster lab -o json", USE_DOWN, 0, 0, down_main) \
    C("logs", "[head|WORKER]", "show the log of a cluster that `manta up` started here", "manta logs -f worker-2", USE_LOGS, 0, 1, run_logs) \
    C("launcher", "", "keep as many workers running on an engine as the head asks for", "manta launcher --on compose --head 192.0.2.7:8470 --workers 2", USE_WORKER | USE_LAUNCHER, 0, 0, run_launcher) \
    C("head", "", "run a head alone: it coordinates and loads no model", "manta head --port 8470\n         manta head --port 8470 --replace    # takes the place of the one above, without a dropped stream", USE_HEAD | USE_REPLACE, 0, 0, run_head) \
    C("worker", "", "run a worker: it loads a model and joins a head", "manta worker --head 192.0.2.7:8470 --model smollm2", USE_WORKER, 0, 0, run_worker) \
    C("prompt", "[WORDS...]", "chat with a model; with words, ask once", "manta prompt What is machine learning?", USE_CLIENT | USE_PROMPT, 0, 4096, run_prompt) \
    C("run", "MODEL [PROMPT...]", "ask a model; starts a cluster with it in the background where none runs", "manta run smollm2\n         manta run smollm2 \"Why is the sky blue?\"\n         cat notes.txt | manta run smollm2 \"Summarise:\"", USE_CLIENT | USE_PROMPT | USE_RUN, 1, 4096, run_model) \
    C("launch", "AGENT [ARG...]", "start a coding agent (codex, claude, opencode, pi) on the cluster; behind -- its own flags", "manta launch codex\n         manta launch claude --model qwen3-4b -- -p \"What does main.c do?\"\n         manta launch opencode --print    # what it would be told", USE_CLIENT | USE_CODER, 1, 4096, run_launch) \
    C("status", "", "show the cluster: workers, actors, queue", "manta status --watch\n         manta status -o json", USE_CLIENT | USE_TABLES | USE_STATUS, 0, 0, run_status) \
    C("actors", "", "show which models are loaded, where, and how fast they are", "manta actors -o wide", USE_CLIENT | USE_TABLES, 0, 0, run_actors) \
    C("requests", "", "show queued and running requests, and the last ones that ended", "manta requests --watch", USE_CLIENT | USE_TABLES, 0, 0, run_requests) \
    C("top", "", "watch the cluster live on the whole screen", "manta top", USE_CLIENT, 0, 0, run_top) \
    C("explain", "[REQUEST]", "show why a request went where it went; without an id: the last one", "manta explain chatcmpl-1f2e3d4c5b6a7988", USE_CLIENT, 0, 1, run_explain) \
    C("scale", "N|auto|fixed", "run N workers, or as many as the load needs", "manta scale 5\n         manta scale auto --min 0 --max 8    # by the load, between these\n         manta scale fixed                   # as many as there are now", USE_CLIENT | USE_SCALE, 1, 1, run_scale) \
    C("drain", "WORKER", "let a worker finish its requests, then leave; the command waits", "manta drain worker-2 --grace 60", USE_CLIENT | USE_DRAIN, 1, 1, run_drain) \
    C("cordon", "WORKER", "send a worker no new prompts", "manta cordon worker-2", USE_CLIENT, 1, 1, run_cordon) \
    C("uncordon", "WORKER", "let a cordoned worker take prompts again", "manta uncordon worker-2", USE_CLIENT, 1, 1, run_uncordon) \
    C("verify", "", "check a running cluster: nodes, coordinator, inference", "manta verify --head 127.0.0.1:8470", USE_CLIENT, 0, 0, run_verify) \
    C("health", "[worker]", "health check for the head or, with `worker`, for this host's worker", "manta health worker", USE_CLIENT | USE_HEALTH, 0, 1, run_health) \
    C("bench", "", "measure the running cluster, or compare strategies on small ones", "manta bench                      # the cluster that runs: tokens/s, time to the first token\n         manta bench --compare-balance    # each --balance on clusters of its own", USE_BENCH, 0, 0, run_bench) \
    C("chaos", "", "start a test cluster, kill and freeze its workers, and check that no answer changed", "manta chaos --model smollm2 --exact --streams 200 --faults 60", USE_CHAOS, 0, 0, chaos_main) \
    C("config", "", "show the effective settings and where each comes from", "manta config --config config/laptop.yaml\n         manta config -o json", USE_HEAD | USE_WORKER | USE_UP | USE_LAUNCHER | USE_CONFIG, 0, 0, config_main) \
    C("models", "[catalogue|pull|show|rm NAME]", "list, download, remove models", \
      "manta models catalogue    # those known by name\n         manta models pull gpt2", USE_CLIENT | USE_MODELS | USE_TABLES, 0, 64, run_models)
/* clang-format on */

#endif
