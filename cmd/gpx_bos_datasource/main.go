// Command gpx_bos_datasource is the backend of the BOS datasource. Grafana starts it
// and talks to it over gRPC.
package main

import (
	"os"
	"runtime/debug"

	sdk "github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/bos-exporter/bos-exporter/datasource"
)

func main() {
	// An answer may be larger than everything that is kept, and is garbage as soon as it
	// is sent, so collect less often, unless the operator says how often. What is kept is
	// bounded.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	if err := sdk.Manage(datasource.PluginID, datasource.New, sdk.ManageOpts{}); err != nil {
		log.DefaultLogger.Error("the BOS datasource stopped", "err", err)
		os.Exit(1)
	}
}
