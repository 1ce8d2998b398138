#!/usr/bin/env bash
# What a request costs the gateway in instructions and in allocations: counted, so that neighbours do not disturb it.
#
#   benches/gateway_cost.sh [REQUESTS] [ROW...]      4000 requests and all rows, unless told otherwise
#
# Valgrind's dhat counts two runs of each row, with so many requests and with twice as many. Their difference is what the requests cost,
# without the start, the connections and the stop. All threads count, the exporting one too. A block that grows (`realloc`) counts once, with the
# bytes by which it grows. There is one worker thread, four connections of HTTP/1.1 (h2load), an nginx that answers at once, and another place of the
# same nginx that takes spans over HTTP. Rows:
#
#   untraced        no tracing (`trace: false` of the route)
#   0, 1, 100       so many percent of the requests are sampled and exported, two spans each
#   tls, tls-100    untraced and 100 %, with TLS on both sides
#
# Needs Rust and Debian's `valgrind`, `nginx` and `nghttp2-client`, and OpenSSL for the last rows. `GATEWAY` is a program to use in place of
# a new build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

requests=${1:-4000}
rows=(untraced 0 1 100 tls tls-100)
[ $# -lt 2 ] || rows=("${@:2}")
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

for tool in valgrind nginx h2load python3 curl openssl; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done
gateway=${GATEWAY:-}
if [ -z "$gateway" ]; then
  cargo build --release --quiet -p traceparent-gateway
  gateway=${CARGO_TARGET_DIR:-target}/release/traceparent-gateway
fi

# Ports that are free now.
read -r port upstream upstream_tls < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*[socket.getsockname()[1] for socket in sockets])')

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -addext "basicConstraints=critical,CA:FALSE" \
  -keyout "$work/server.key" -out "$work/server.pem" 2>"$work/openssl.log"

# Spans are taken unread: an empty answer is a whole one in protobuf.
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000; client_max_body_size 16m;
  client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
  server {
    listen 127.0.0.1:$upstream;
    listen 127.0.0.1:$upstream_tls ssl; ssl_certificate $work/server.pem; ssl_certificate_key $work/server.key;
    location / { return 200 ok; }
    location = /v1/traces { default_type application/x-protobuf; return 200; }
  }
}
CONF
nginx -e stderr -c "$work/nginx.conf" 2>"$work/nginx.log" &

configure() { # row
  local listener='' route="upstream: 'http://127.0.0.1:$upstream'" sampling=0
  case $1 in
    untraced | tls) route+=", trace: false" ;;
    0 | 1 | 100 | tls-100) sampling=${1#tls-} ;;
    *) echo "there is no row $1" >&2; exit 1 ;;
  esac
  if [[ $1 = tls* ]]; then
    listener="tls: {certificate: server.pem, key: server.key}"
    route=${route/http:*$upstream/https://localhost:$upstream_tls}", tls: {ca: server.pem}, http2: false"
  fi
  cat >"$work/gateway.yaml" <<CONF
listeners:
  - address: 127.0.0.1:$port
    $listener
    routes: [{prefix: /, $route}]
tracing:
  random_sampling: $sampling
  otlp: {endpoint: "http://127.0.0.1:$upstream", protocol: http/protobuf}
CONF
}

# Writes down the instructions, allocations and bytes of a whole run, and the spans that were exported.
count() { # row, requests
  local url=http://127.0.0.1:$port/ process log=$work/gateway.log
  [[ $1 != tls* ]] || url=${url/http/https}
  : >"$log"
  TOKIO_WORKER_THREADS=1 valgrind --tool=dhat --dhat-out-file="$work/dhat.json" "$gateway" run --config "$work/gateway.yaml" 2>>"$log" &
  process=$!
  for _ in $(seq 600); do
    grep -q '^listening on' "$log" && break
    kill -0 "$process" || { cat "$log" >&2; exit 1; }
    sleep 0.1
  done
  h2load --h1 --requests "$2" --clients 4 --max-concurrent-streams 1 "$url" >"$work/load"
  grep -q "status codes: $2 2xx" "$work/load" || { cat "$work/load" "$log" >&2; exit 1; }
  kill "$process"
  wait "$process"
  python3 - "$work/dhat.json" "$log" >>"$work/counts" <<'PYTHON'
import json, re, sys
run = json.load(open(sys.argv[1]))
exported, dropped = map(int, re.search(r"stopped: (\d+) spans exported, (\d+) dropped", open(sys.argv[2]).read()).groups())
assert dropped == 0, f"{dropped} spans dropped"
print(run["te"], sum(point["tbk"] for point in run["pps"]), sum(point["tb"] for point in run["pps"]), exported)
PYTHON
}

echo "| $requests requests | instructions | allocations | bytes allocated | spans exported |"
echo "|---|---:|---:|---:|---:|"
for row in "${rows[@]}"; do
  configure "$row"
  : >"$work/counts"
  count "$row" "$requests"
  count "$row" $((2 * requests))
  awk -v row="$row" -v requests="$requests" '{ for (i = 1; i <= 4; i++) if (NR == 1) once[i] = $i; else cost[i] = ($i - once[i]) / requests }
    END { printf "| %s | %d | %.1f | %d | %.2f |\n", row, cost[1], cost[2], cost[3], cost[4] }' "$work/counts"
done
