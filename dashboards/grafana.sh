#!/usr/bin/env bash
# Runs Grafana with the datasource and the dashboards, together with bos_exporter,
# Prometheus and Alertmanager, all on the loopback interface, until Ctrl-C. These variables
# choose what is shown:
#
#   GRAFANA         folder of an unpacked Grafana, with bin, conf and public
#   BOS_URL         a BOS to watch; without it, the demo of bos_exporter
#   BOS_TOKEN_FILE  file with a bearer token for it, as a gateway requires
#   BOS_CA_FILE     file with the certificate of the authority that signed that of the gateway
#
# Arguments are further flags of bos_exporter.
set -euo pipefail
cd "$(dirname "$0")/.."
grafana=("${GRAFANA:-}/bin/grafana" server)
[[ -x ${grafana[0]} ]] || grafana=("${GRAFANA:-}/bin/grafana-server")
[[ -n ${GRAFANA:-} && -x ${grafana[0]} ]] || {
	cat >&2 <<-EOF
		${GRAFANA:-GRAFANA is not set, so} ${GRAFANA:+contains no bin/grafana, so }there is no Grafana to run. Either

		  install a package of Grafana 9.3 or later, then run
		      make grafana GRAFANA=/usr/share/grafana
		  or unpack the archive for Linux from https://grafana.com/grafana/download, and give its folder
		      make grafana GRAFANA=~/grafana-12.3.0
		  or copy it out of a container image, without running it
		      docker cp "\$(docker create grafana/grafana:12.3.0)":/usr/share/grafana grafana
		      make grafana GRAFANA=grafana
	EOF
	exit 1
}
home=$(realpath "$GRAFANA") grafana[0]=$(realpath "${grafana[0]}")
bos=${BOS_URL:-} flags=(${BOS_URL:+"--bos.url=$BOS_URL"})
token=${BOS_TOKEN_FILE:+$(realpath -e "$BOS_TOKEN_FILE")} ca=${BOS_CA_FILE:+$(realpath -e "$BOS_CA_FILE")}
make --no-print-directory build plugin build/prometheus build/alertmanager
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

if [[ -n $token$ca ]]; then # the same for both programs
	{
		[[ -z $token ]] || echo "authorization: {credentials_file: '$token'}"
		[[ -z $ca ]] || echo "tls_config: {ca_file: '$ca'}"
	} >"$data/http.yml"
	flags+=("--bos.http-config=$data/http.yml")
fi
cp -r dashboards/provisioning "$data"
{
	[[ -z $ca ]] || echo "    jsonData: {tlsAuthWithCACert: true}"
	[[ -z $token$ca ]] || echo "    secureJsonData:"
	[[ -z $token ]] || echo "      bearerToken: \$__file{$token}"
	[[ -z $ca ]] || echo "      tlsCACert: \$__file{$ca}"
} >>"$data/provisioning/datasources/bos.yaml"

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

build/bos_exporter --web.listen-address=$host:$exporter "${flags[@]:---demo}" "$@" >"$data/demo" 2>"$data/bos_exporter.log" &
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
export GF_PATHS_DATA=$data/grafana GF_PATHS_LOGS=$data/grafana GF_PATHS_PLUGINS=$PWD/build/plugin GF_PATHS_PROVISIONING=$data/provisioning
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
