# Runs the stages of the script that sources it: each is a function `stage_NAME` and a line in .ci/budgets.
# A stage with a lane runs beside those of other lanes that stand next to it; one without a lane runs alone, as a stage
# that measures time has to.

# What this machine takes for a fixed piece of work at the moment, the best of five, in percent of $1 seconds; 100 if it
# is faster.
pace() {
    python3 -c 'import sys, time
def once():
    began = time.perf_counter()
    sum(n * n for n in range(500_000))
    return time.perf_counter() - began
print(max(100, round(100 * min(once() for _ in range(5)) / float(sys.argv[1]))))' "$1"
}

# run_stages RUN [STAGE ...]: those of the lines of RUN in .ci/budgets, all of them by default.
run_stages() {
    local run=$1 stage
    shift
    script=.ci/$(basename "$0")
    if [ "${1:-}" = --inside ]; then
        "stage_$2"
        exit
    fi
    exec </dev/null
    read_budgets "$run"
    for stage in "$@"; do
        if [ -z "${limits[$stage]:-}" ]; then
            echo "no stage $stage; there are: ${order[*]}" >&2
            exit 2
        fi
    done
    logs=build/$run
    mkdir -p "$logs"
    # Of this run alone: another one may begin meanwhile.
    results=$(mktemp)
    trap 'rm -f "$results"' EXIT
    children=() held=
    trap stop INT TERM
    chosen=("$@")
    if [ "$run" = nightly ]; then held=$logs/held-$(state); fi
    if [ $# -eq 0 ]; then choose_the_rest; fi
    pace=$(pace "$reference")
    run_chosen
    report "$run"
}

read_budgets() {
    local kind name budget limit lane
    declare -gA budgets=() limits=() lanes=()
    order=()
    while read -r kind name budget limit lane; do
        if [ "$kind" = pace ]; then reference=$name; fi
        if [ "$kind" != "$1" ]; then continue; fi
        order+=("$name")
        budgets[$name]=$budget
        limits[$name]=$limit
        lanes[$name]=$lane
    done < <(grep -v '^#' .ci/budgets)
}

stop() {
    if [ ${#children[@]} -gt 0 ]; then
        kill -TERM "${children[@]}" 2>/dev/null || true
        wait "${children[@]}" || true
    fi
    exit 130
}

# The commit, and what of it is changed in the work tree.
state() {
    local commit
    commit=$(git rev-parse HEAD)
    echo "$commit-$({ git status --porcelain && git diff HEAD; } | sha256sum | cut -c 1-8)"
}

# All stages but those that held for the same state, in a run that was interrupted or failed. When all have, again all.
choose_the_rest() {
    local stage
    chosen=()
    for stage in "${order[@]}"; do
        if [ -z "$held" ] || ! grep -qsx "$stage" "$held"; then chosen+=("$stage"); fi
    done
    if [ ${#chosen[@]} -eq 0 ]; then
        rm "$held"
        chosen=("${order[@]}")
    elif [ ${#chosen[@]} -lt ${#order[@]} ]; then
        echo "these held before: $(sort -u "$held" | paste -sd ' ')"
    fi
}

run_chosen() {
    local stage
    group=()
    for stage in "${chosen[@]}"; do
        if [ -n "${lanes[$stage]}" ]; then
            group+=("$stage")
        else
            run_group
            run_stage "$stage"
        fi
    done
    run_group
}

# The stages in `group`, each lane in its own process; what a stage prints is shown when it has ended.
run_group() {
    local stage lane
    local -A members=()
    for stage in "${group[@]}"; do members[${lanes[$stage]}]+=" $stage"; done
    group=()
    if [ ${#members[@]} -eq 1 ]; then
        for stage in ${members[*]}; do run_stage "$stage"; done
        return
    fi
    children=()
    for lane in "${!members[@]}"; do
        run_lane "${members[$lane]}" &
        children+=($!)
    done
    # What a lane that died did not run is missed by the report.
    for lane in "${children[@]}"; do wait "$lane" || true; done
    children=()
}

run_lane() {
    local stage
    children=()
    trap stop INT TERM
    for stage in $1; do
        echo "--- $stage begins"
        run_stage "$stage" >/dev/null
        { echo "=== $stage" && cat "$logs/$stage.log"; } | flock "$results" cat
    done
}

run_stage() {
    local stage=$1 began=$SECONDS output tee status=0 result=ok
    echo "=== $stage"
    exec {output}> >(exec tee "$logs/$stage.log")
    tee=$!
    timeout --kill-after=30 "${limits[$stage]}" bash "$script" --inside "$stage" >&"$output" 2>&1 &
    children=($!)
    wait "${children[0]}" || status=$?
    children=()
    exec {output}>&-
    # A server that a stage left behind would hold the pipe open.
    for _ in {1..50}; do kill -0 "$tee" 2>/dev/null && sleep 0.1 || break; done
    if [ "$status" -eq 124 ]; then
        result="FAILED: took more than ${limits[$stage]} s"
    elif [ "$status" -ne 0 ]; then
        result="FAILED with status $status"
    elif [ -n "$held" ]; then
        echo "$stage" >>"$held"
    fi
    echo "$stage $((SECONDS - began)) $((budgets[$stage] * pace / 100)) $result" >>"$results"
}

report() {
    local stage took allowed result failed=() grown=()
    local -A told=()
    echo "=== skipped"
    for stage in "${chosen[@]}"; do
        grep -hE '^(SKIPPED|skipped:)' "$logs/$stage.log" || true
    done
    echo "=== time, and the budget in .ci/budgets: $pace % of it on this machine today"
    while read -r stage took allowed result; do
        printf '%-11s %5d s of %5d  %s\n' "$stage" "$took" "$allowed" "$result"
        told[$stage]=1
        if [ "$result" != ok ]; then failed+=("$stage"); fi
        # What is short varies by more than a quarter.
        if [ $((took * 4)) -gt $((allowed * 5 + 40)) ]; then grown+=("$stage"); fi
    done <"$results"
    for stage in "${chosen[@]}"; do
        if [ -z "${told[$stage]:-}" ]; then failed+=("$stage"); fi
    done
    if [ ${#grown[@]} -gt 0 ]; then echo "$1: grew by more than a quarter: ${grown[*]}"; fi
    if [ ${#failed[@]} -gt 0 ]; then
        echo "$1: failed: ${failed[*]}" >&2
        exit 1
    fi
    echo "$1: everything held, in $SECONDS s"
}
