package datasource

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// requestError is the fault of a query or of the settings.
type requestError struct{ text string }

func (e requestError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return requestError{fmt.Sprintf(format, args...)}
}

// response turns an error into an answer: its status, its source, and one
// sentence that says what to do. It is the only place that does. The sentence is in a
// frame, too: a table shows it, where it would otherwise claim that there is nothing.
func response(err error) backend.DataResponse {
	status, text := explain(err)
	source := backend.ErrorSourceDownstream
	if status == backend.StatusInternal {
		source = backend.ErrorSourcePlugin
	}
	frame := data.NewFrame("error", field("not_known", "Not known", "Why the query has no answer", []string{text}))
	return backend.DataResponse{Status: status, ErrorSource: source, Error: errors.New(text), Frames: data.Frames{frame}}
}

func explain(err error) (backend.Status, string) {
	var request requestError
	var bos *bosclient.Error
	switch {
	case errors.As(err, &request):
		return backend.StatusBadRequest, request.text
	case errors.As(err, &bos):
		switch bos.Reason {
		case bosclient.NotFound:
			return backend.StatusNotFound, "BOS does not have what was asked for: " + bos.Error()
		case bosclient.Unauthorized:
			status := backend.StatusUnauthorized
			if bos.Status == http.StatusForbidden {
				status = backend.StatusForbidden
			}
			return status, "BOS refuses the credentials: check the token or the OAuth2 client in the datasource's settings: " + bos.Error()
		case bosclient.Malformed:
			if bos.Status == http.StatusBadRequest {
				return backend.StatusBadGateway, "BOS refuses the request: its v1 API knows no tenants, so leave the tenant in the datasource's settings empty: " + bos.Error()
			}
			return backend.StatusBadGateway, "What answers is not BOS: check the URL in the datasource's settings: " + bos.Error()
		default:
			if bos.Timeout() {
				return backend.StatusTimeout, "BOS does not answer in time: try again, and see whether it holds too many sessions: " + bos.Error()
			}
			return backend.StatusBadGateway, "BOS cannot be reached: check that it runs and that the URL in the datasource's settings is right: " + bos.Error()
		}
	case errors.Is(err, context.DeadlineExceeded):
		return backend.StatusTimeout, "BOS is still being read: try again in a moment"
	case errors.Is(err, context.Canceled):
		return backend.StatusTimeout, "the query was cancelled: run it again"
	default:
		return backend.StatusInternal, "the BOS datasource failed, please report it: " + err.Error()
	}
}
