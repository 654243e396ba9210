#!/usr/bin/env bash
# Runs Grafana with the datasource and the dashboards on a simulated BOS, together with
# bos_exporter, Prometheus and Alertmanager, all on the loopback interface, until Ctrl-C.
#
#   dashboards/grafana.sh GRAFANA_HOME [BOS_URL [flags of bos_exporter]]
#
# GRAFANA_HOME is the folder of an unpacked Grafana, with bin, conf and public. Without a
# URL everything watches the demo of bos_exporter; a BOS given by its URL must not require
# credentials.
set -euo pipefail
home=$(realpath "${1:?no Grafana given: run make grafana GRAFANA=<folder with bin, conf and public>}")
bos=${2:-} bos_flag=${2:+--bos.url=$2}
shift $(($# < 2 ? $# : 2))
cd "$(dirname "$0")/.."
grafana=("$home/bin/grafana" server)
[[ -x ${grafana[0]} ]] || grafana=("$home/bin/grafana-server")
[[ -x ${grafana[0]} ]] || { echo "$home/bin contains no grafana: GRAFANA must be the folder of an unpacked Grafana" >&2; exit 1; }
host=127.0.0.1 exporter=${EXPORTER_PORT:-9936} prometheus=${PROMETHEUS_PORT:-9090} alertmanager=${ALERTMANAGER_PORT:-9093} port=${GRAFANA_PORT:-3000}

data=$(mktemp -d)
stop() {
	trap - EXIT
	kill $(jobs -p) 2>/dev/null || true
	wait || true
	rm -rf "$data"
}
trap stop EXIT
trap exit INT TERM

cat >"$data/alertmanager.yml" <<-EOF
	route: {receiver: nobody}
	receivers: [{name: nobody}]
EOF
cat >"$data/prometheus.yml" <<-EOF
	global: {scrape_interval: 5s, evaluation_interval: 5s, external_labels: {grafana: "http://$host:$port"}}
	rule_files: ["$PWD/dashboards/rules/*.yml"]
	alerting: {alertmanagers: [{static_configs: [{targets: ["$host:$alertmanager"]}]}]}
	scrape_configs:
	  - job_name: bos
	    static_configs: [{targets: ["$host:$exporter"]}]
EOF

build/bos_exporter --web.listen-address=$host:$exporter "${bos_flag:---demo}" "$@" >"$data/demo" 2>"$data/bos_exporter.log" &
declare -A log=([$!]=bos_exporter)
until [[ -n $bos ]]; do # the demo prints the URL of its BOS
	kill -0 $! 2>/dev/null || { cat "$data/bos_exporter.log" >&2; exit 1; }
	sleep 0.1
	bos=$(grep -o 'http://[^ ]*/apis/bos' "$data/demo") || true
done
build/alertmanager --config.file="$data/alertmanager.yml" --storage.path="$data/alertmanager" \
	--web.listen-address=$host:$alertmanager --cluster.listen-address= >"$data/alertmanager.log" 2>&1 &
log[$!]=alertmanager
build/prometheus --config.file="$data/prometheus.yml" --storage.tsdb.path="$data/prometheus" \
	--web.listen-address=$host:$prometheus >"$data/prometheus.log" 2>&1 &
log[$!]=prometheus
export PROMETHEUS_URL=http://$host:$prometheus BOS_URL=$bos BOS_DASHBOARDS=$PWD/dashboards
export GF_SERVER_HTTP_ADDR=$host GF_SERVER_HTTP_PORT=$port
export GF_PATHS_DATA=$data/grafana GF_PATHS_LOGS=$data/grafana GF_PATHS_PLUGINS=$PWD/build/plugin GF_PATHS_PROVISIONING=$PWD/dashboards/provisioning
export GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS=bosexporter-bos-datasource GF_PLUGINS_PREINSTALL_DISABLED=true
export GF_AUTH_ANONYMOUS_ENABLED=true GF_AUTH_ANONYMOUS_ORG_ROLE=Admin GF_ANALYTICS_REPORTING_ENABLED=false GF_ANALYTICS_CHECK_FOR_UPDATES=false
export GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH=$PWD/dashboards/bos-overview.json
"${grafana[@]}" --homepath "$home" >"$data/grafana.log" 2>&1 &
log[$!]=grafana
echo "Grafana will be at http://$host:$port/ in a moment, Prometheus at $PROMETHEUS_URL/, Alertmanager at http://$host:$alertmanager/; logs are in $data. Press Ctrl-C to stop."
wait -n -p ended || true # none of them ends by itself
echo "${log[$ended]} has ended:" >&2
tail -n 15 "$data/${log[$ended]}.log" >&2
exit 1
