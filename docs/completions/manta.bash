# bash completion for manta. Made by scripts/reference from the tables in src/settings/settings.h, src/main/commands.h and src/base/limits.h; `make reference` writes it anew.
_manta() {
    local current=${COMP_WORDS[COMP_CWORD]} words=
    case ${COMP_WORDS[COMP_CWORD-1]} in
        --balance) COMPREPLY=($(compgen -W 'predicted least-busy round-robin random prefix' -- "$current")); return ;;
        --billing-line) COMPREPLY=($(compgen -W 'drop keep' -- "$current")); return ;;
        --scale) COMPREPLY=($(compgen -W 'fixed auto' -- "$current")); return ;;
        --kv) COMPREPLY=($(compgen -W 'f16 q8_0 f32' -- "$current")); return ;;
        --load) COMPREPLY=($(compgen -W 'all even uneven shared' -- "$current")); return ;;
        --log) COMPREPLY=($(compgen -W 'error warn info trace' -- "$current")); return ;;
        --log-format) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
        --output) COMPREPLY=($(compgen -W 'text json wide yaml' -- "$current")); return ;;
    esac
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W 'up down logs launcher head worker prompt run launch status actors requests top explain scale drain cordon uncordon verify health bench chaos config models --help --version' -- "$current"))
        return
    fi
    case ${COMP_WORDS[1]} in
        up) words='--config --host --port --api-key --join-token --balance --api-key-file --join-token-file --allow-origin --allow-host --queue-jobs --queue-bytes --answer-bytes --queue-deadline-ms --token-stall-ms --beat-ms --lost-after-ms --status-every-ms --rebalance --share-prefix --billing-line --log-requests --drain-grace --scale --scale-min --scale-max --scale-idle --head-limit-memory --head-limit-cpus --head --node --model --engine --chat-template --slots --context --threads --kv --exact --repack --memory --prefix-cache --worker-limit-memory --worker-limit-cpus --load-stall-s --step-ms --offline --pull-limit --pull-stall-s --throttle --workers --on --cluster --set --address --worker-head --gpus --no-prompt --detach --verbose --test --log-bytes --log-files --log --log-format --help' ;;
        down) words='--config --port --on --cluster --set --address --log --log-format --output --help' ;;
        logs) words='head --config --port --follow --tail --log --log-format --help' ;;
        launcher) words='--config --join-token --join-token-file --drain-grace --head --node --model --engine --chat-template --slots --context --threads --kv --exact --repack --memory --prefix-cache --worker-limit-memory --worker-limit-cpus --load-stall-s --step-ms --offline --pull-limit --pull-stall-s --throttle --workers --on --cluster --set --address --worker-head --gpus --log --log-format --help' ;;
        head) words='--config --host --port --api-key --join-token --balance --api-key-file --join-token-file --allow-origin --allow-host --queue-jobs --queue-bytes --answer-bytes --queue-deadline-ms --token-stall-ms --beat-ms --lost-after-ms --status-every-ms --rebalance --share-prefix --billing-line --log-requests --drain-grace --replace --scale --scale-min --scale-max --scale-idle --head-limit-memory --head-limit-cpus --detach --log --log-format --help' ;;
        worker) words='--config --join-token --join-token-file --drain-grace --head --node --model --engine --chat-template --slots --context --threads --kv --exact --repack --memory --prefix-cache --worker-limit-memory --worker-limit-cpus --load-stall-s --step-ms --offline --pull-limit --pull-stall-s --throttle --log --log-format --help' ;;
        prompt) words='--config --api-key --api-key-file --head --model --log --log-format --output --max-tokens --tags --quiet --help' ;;
        run) words='--config --api-key --api-key-file --head --model --log --log-format --output --max-tokens --tags --quiet --help' ;;
        launch) words='codex claude opencode pi --config --api-key --api-key-file --head --model --log --log-format --output --print --help' ;;
        status) words='--config --api-key --api-key-file --head --log --log-format --output --watch --limits --help' ;;
        actors) words='--config --api-key --api-key-file --head --log --log-format --output --watch --help' ;;
        requests) words='--config --api-key --api-key-file --head --log --log-format --output --watch --help' ;;
        top) words='--config --api-key --api-key-file --head --log --log-format --output --help' ;;
        explain) words='--config --api-key --api-key-file --head --log --log-format --output --help' ;;
        scale) words='auto fixed --config --api-key --api-key-file --min --max --head --log --log-format --output --help' ;;
        drain) words='--config --api-key --api-key-file --grace --move --head --log --log-format --output --help' ;;
        cordon) words='--config --api-key --api-key-file --head --log --log-format --output --help' ;;
        uncordon) words='--config --api-key --api-key-file --head --log --log-format --output --help' ;;
        verify) words='--config --api-key --api-key-file --head --log --log-format --output --help' ;;
        health) words='worker --config --api-key --api-key-file --head --node --log --log-format --output --help' ;;
        bench) words='--config --api-key --api-key-file --head --model --engine --slots --compare-balance --load --calls --streams --seed --log --log-format --output --help' ;;
        chaos) words='--config --model --engine --slots --exact --seed --streams --faults --kinds --at-once --heads --workers --log --log-format --output --help' ;;
        config) words='--config --host --port --api-key --join-token --balance --api-key-file --join-token-file --allow-origin --allow-host --queue-jobs --queue-bytes --answer-bytes --queue-deadline-ms --token-stall-ms --beat-ms --lost-after-ms --status-every-ms --rebalance --share-prefix --billing-line --log-requests --drain-grace --scale --scale-min --scale-max --scale-idle --head-limit-memory --head-limit-cpus --head --node --model --engine --chat-template --slots --context --threads --kv --exact --repack --memory --prefix-cache --worker-limit-memory --worker-limit-cpus --load-stall-s --step-ms --offline --pull-limit --pull-stall-s --throttle --workers --on --cluster --set --address --worker-head --gpus --no-prompt --detach --verbose --test --log-bytes --log-files --log --log-format --output --help' ;;
        models) words='catalogue pull show rm --config --api-key --api-key-file --head --offline --pull-limit --pull-stall-s --log --log-format --output --watch --help' ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _manta manta
