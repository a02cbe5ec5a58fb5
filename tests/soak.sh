#!/usr/bin/env bash
# What runs long or measures time, in parts of at most an hour: tests/soak.sh [PART...], or without a part all of them in turn.
# A step that has passed on a commit is not run again on it, so a part that was stopped goes on where it was;
# SOAK_FRESH=1 begins again.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly parts=(model disk power restarts delivery schedules rounds hostile fuzz clients answers page bench deny)
readonly hour=3600 clients=tests/clients/run.sh

what() {
    case $1 in
    model) echo "core against its model, 300,000 cases" ;;
    disk) echo "20,000 logs that crash, every byte of a log flipped, all behaviours with a log on disk" ;;
    power) echo "power failures under a gateway, on three wires" ;;
    restarts) echo "clients across 200 kills, 50 stops and 50 upgrades at 2,000 messages a second" ;;
    delivery) echo "shards with sockets that fail, 20,000 seeds" ;;
    schedules) echo "200,000 schedules of threads" ;;
    rounds) echo "all Rust tests ten times" ;;
    hostile) echo "hostile clients, ten seconds each" ;;
    fuzz) echo "each fuzz target for ten minutes" ;;
    clients) echo "all client tests three times" ;;
    answers) echo "answers of models in pages over 300 reloads, and ten times at each client and upstream" ;;
    page) echo "the page, the proxies and the comparison under load" ;;
    bench) echo "the benchmarks" ;;
    deny) echo "known weaknesses, licences and sources of dependencies" ;;
    esac
}

# Runs a step unless it has passed on this commit: step NAME COMMAND...
step() {
    local name=$1 mark
    shift
    mark=$done_steps/$part.$name
    [[ ! -e $mark ]] || { echo "soak $part: $name has passed before"; return; }
    local left=$((until - SECONDS))
    ((left > 0)) || left=1
    echo "soak $part: $name"
    local status=0
    timeout --foreground "$left" "$@" || status=$?
    if ((status == 124)); then
        echo "soak $part: an hour is over; make soak PART=$part goes on with $name" >&2
        exit 1
    fi
    ((status == 0)) || { echo "soak $part: $name has failed" >&2; exit "$status"; }
    touch "$mark"
}

release() { step release cargo build --locked --release --package tricast; }

run_part() {
    local round
    case $part in
    model)
        step cases env PROPTEST_CASES=300000 cargo test --locked --release -p tricast-core --test model --test cases ;;
    disk)
        step crashes env LIVES=20000 cargo test --locked --release -p tricast-disk crashes
        step flipped env FLIP_STEP=1 cargo test --locked --release -p tricast-disk flipped
        step behaviours env LOG_ON_DISK=1 cargo test --locked --workspace --test behaviour ;;
    power)
        if [[ -n ${LAZYFS:-} ]]; then
            release
            step lazyfs env "TRICAST_BIN=$PWD/target/release/tricast" $clients power.soak.mjs
        else
            echo "soak power: this is the simulated disk alone; LAZYFS=BINARY runs the program on LazyFS, too"
        fi
        step simulated env POWER_SEEDS=200 cargo test --locked --workspace --test behaviour log::power ;;
    restarts)
        release
        step clients env KILLS=200 RESTARTS=50 RATE=2000 FILES_AT_ONCE=1 "TRICAST_BIN=$PWD/target/release/tricast" \
            $clients restarts.test.mjs
        step handover env RESTART_READERS=2000 cargo test --locked --release -p tricast-tests --test behaviour \
            handover:: -- --nocapture ;;
    delivery)
        step faults env FAULT_SEEDS=20000 cargo test --locked --release -p tricast-delivery ;;
    schedules)
        step shuttle env SHUTTLE_SCHEDULES=200000 cargo test --locked --release -p tricast-core --features shuttle \
            --test interleavings ;;
    rounds)
        for round in 1 2 3 4 5 6 7 8 9 10; do step "round-$round" cargo test --locked --workspace; done ;;
    hostile)
        step hostile env HOSTILE_SECONDS=10 cargo test --locked --release -p tricast-tests --test hostile -- --nocapture ;;
    fuzz)
        step targets env FUZZ_SECONDS=600 tests/fuzz/run.sh ;;
    clients)
        step gateway cargo build --locked --workspace --bin tricast
        for round in 1 2 3; do step "round-$round" $clients; done ;;
    answers)
        release
        for round in 1 2 3; do
            step "reloads-$round" env RELOADS=100 "TRICAST_BIN=$PWD/target/release/tricast" \
                $clients answers-in-pages.test.mjs
        done
        for round in 1 2 3 4 5 6 7 8 9 10; do
            step "round-$round" env "TRICAST_BIN=$PWD/target/release/tricast" \
                $clients llm.test.mjs llmock.test.mjs aimock.test.mjs model.test.mjs openai.test.mjs
        done ;;
    page)
        release
        for round in page proxies comparison; do
            step "$round" env FILES_AT_ONCE=1 "TRICAST_BIN=$PWD/target/release/tricast" $clients "$round.soak.mjs"
        done ;;
    bench) step all make bench ;;
    deny) step all make deny ;;
    esac
}

commit=$(git rev-parse --short HEAD)
# What is not committed may change from one run to the next.
[[ -z $(git status --porcelain) ]] || commit+=-changed-$(git diff HEAD | cksum | cut -d' ' -f1)
readonly done_steps=target/soak/$commit
[[ ${SOAK_FRESH:-} != 1 ]] || rm -rf "$done_steps"
mkdir -p "$done_steps"

if (($# == 0)); then
    echo "make soak PART=name runs one of these parts; this runs all of them:"
    for part in "${parts[@]}"; do printf '  %-10s %s\n' "$part" "$(what "$part")"; done
    set -- "${parts[@]}"
fi
for part in "$@"; do
    [[ -n $(what "$part") ]] || { echo "no part is named $part: ${parts[*]}" >&2; exit 2; }
done
for part in "$@"; do
    until=$((SECONDS + hour))
    run_part
    echo "soak $part: passed on $commit"
done
