package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosapi"
)

// CheckHealth is behind Save & test: it finds out which APIs BOS serves,
// lists their sessions and reports how that went.
func (d *Datasource) CheckHealth(ctx context.Context, _ *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	if d.broken != nil {
		return unhealthy(d.broken), nil
	}
	start := time.Now()
	served, err := d.apis.Find(ctx)
	if err != nil {
		return unhealthy(err), nil
	}
	sessions := make(map[string]int)
	total := 0
	for _, api := range d.apis.All() {
		listing, err := api.List(ctx, true)
		if err != nil {
			return unhealthy(err), nil
		}
		sessions[api.Name()] = len(listing.Sessions)
		total += len(listing.Sessions)
	}
	took := time.Since(start)
	message := fmt.Sprintf("BOS answers: API %s, sessions: %d, %s.", bosapi.Describe(served), total, took.Round(time.Millisecond))
	var names, lists []string
	for _, api := range served {
		names = append(names, api.Name())
		lists = append(lists, fmt.Sprintf("GET %s: sessions: %d", api.Address(bos.Key{}), sessions[api.Name()]))
	}
	verbose := fmt.Sprintf("%s; in %s", strings.Join(lists, "; "), took.Round(time.Millisecond))
	if d.settings.skipVerify {
		const warning = "Its TLS certificate is not verified (tlsSkipVerify), so anyone on the way can read the credentials."
		message += " " + warning
		verbose += ". " + warning
	}
	details, err := json.Marshal(map[string]any{
		"verboseMessage": verbose,
		"api":            strings.Join(names, ", "),
		"sessions":       total,
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
		text = "There is no BOS at this URL, or not with the API in the datasource's settings: " + reading.Error()
	}
	details, _ := json.Marshal(map[string]string{"verboseMessage": text}) // strings always can be
	return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: text, JSONDetails: details}
}
