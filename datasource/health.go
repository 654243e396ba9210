package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// CheckHealth is behind Save & test: it lists the sessions and reports how that went.
func (d *Datasource) CheckHealth(ctx context.Context, _ *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	if d.broken != nil {
		return unhealthy(d.broken), nil
	}
	start := time.Now()
	listing, err := d.api.List(ctx, true)
	took := time.Since(start)
	if err != nil {
		return unhealthy(err), nil
	}
	message := fmt.Sprintf("BOS answers: API v1, %d sessions, %s.", len(listing.Sessions), took.Round(time.Millisecond))
	verbose := fmt.Sprintf("GET %s: %d sessions in %s", d.api.Address(bos.Key{}), len(listing.Sessions), took.Round(time.Millisecond))
	if d.settings.skipVerify {
		const warning = "Its TLS certificate is not verified (tlsSkipVerify), so anyone on the way can read the credentials."
		message += " " + warning
		verbose += ". " + warning
	}
	details, err := json.Marshal(map[string]any{
		"verboseMessage": verbose,
		"api":            "v1",
		"sessions":       len(listing.Sessions),
		"latencySeconds": took.Seconds(),
		"tlsSkipVerify":  d.settings.skipVerify,
	})
	if err != nil {
		return unhealthy(err), nil
	}
	return &backend.CheckHealthResult{Status: backend.HealthStatusOk, Message: message, JSONDetails: details}, nil
}

func unhealthy(err error) *backend.CheckHealthResult {
	_, text := explain(err)
	if reading := new(bos.Error); errors.As(err, &reading) && reading.Reason == bos.NotFound {
		text = "There is no BOS v1 API at this URL: give the address above /v1. CSM 1.6 and later have none. " + reading.Error()
	}
	details, _ := json.Marshal(map[string]string{"verboseMessage": text}) // strings always can be
	return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: text, JSONDetails: details}
}
