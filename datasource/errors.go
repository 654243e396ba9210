package datasource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// requestError is a mistake in a query or in the settings.
type requestError struct{ text string }

func (e requestError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return requestError{fmt.Sprintf(format, args...)}
}

// errNotReadYet is why nothing is known of a session that no sweep has come to.
var errNotReadYet = fmt.Errorf("the session has not been read yet: %w", context.DeadlineExceeded)

// unreadError says that sessions could not be read.
type unreadError struct {
	sessions int
	first    string       // the name of one of them
	cause    error        // why that one could not be read
	next     *unreadError // of sessions that are missing for another reason; may be nil
}

func (e unreadError) Error() string {
	if e.next == nil {
		return e.text()
	}
	return strings.TrimSuffix(e.text(), ".") + ". " + e.next.Error()
}

func (e unreadError) text() string {
	switch {
	case e.cause == errRecounted:
		return fmt.Sprintf("Sessions whose nodes may have ended differently from what is shown: %d. The first is %s: %s", e.sessions, e.first, e.cause)
	case isCounted(e.cause) && e.sessions == 1:
		return fmt.Sprintf("Session %s is missing from the answer: %s", e.first, e.cause)
	case isCounted(e.cause): // nothing will change that
		return fmt.Sprintf("Sessions that are missing from the answer: %d. The first is %s: %s", e.sessions, e.first, e.cause)
	case isNotYet(e.cause):
		return fmt.Sprintf("Sessions that have not been read yet and are missing from the answer: %d. %s. The first is %s.", e.sessions, littleByLittle, e.first)
	}
	return fmt.Sprintf("Sessions that could not be read and are missing from the answer: %d. Try again, and check the log of BOS if that does not help. The first is %s: %s", e.sessions, e.first, e.cause)
}

// littleByLittle says what to do about sessions that have not been read yet.
const littleByLittle = "BOS is read little by little, the newest sessions first: try again later, or select a session by its id to have it read now"

// isNotYet tells whether err says that no sweep has come to a session.
func isNotYet(err error) bool { return errors.Is(err, errNotReadYet) }

// isCounted tells whether err says that nodes are counted and nothing else is known of them.
func isCounted(err error) bool { return errors.Is(err, errUnnamed) || errors.Is(err, errUnphased) }

// outdatedError says that the data is too old for an alert rule.
type outdatedError struct {
	age   time.Duration
	cause error // why there is none that is newer
}

func (e outdatedError) Error() string {
	return fmt.Sprintf("The data is %s old, and alert rules do not evaluate data older than %s: check whether BOS is slow or down, and set the rule's error handling to what you want then: %s",
		age(e.age), span(inventory.DefaultStaleAfter), e.cause)
}

// response turns an error into an answer: a status, a source, and one sentence that
// says what to do. It is the only place that does. The sentence is also in a frame: a
// table shows it, and would otherwise claim that there is nothing.
func response(err error) backend.DataResponse {
	status, text := explain(err)
	source := backend.ErrorSourceDownstream
	if status == backend.StatusInternal {
		source = backend.ErrorSourcePlugin
	}
	frame := data.NewFrame("error", notKnown(text))
	return backend.DataResponse{Status: status, ErrorSource: source, Error: errors.New(text), Frames: data.Frames{frame}}
}

// notKnown returns a column that says why there is no answer, in full: it is what a table
// shows then.
func notKnown(text string) *data.Field {
	f := field("not_known", "Not known", "Why the query has no answer", []string{text})
	f.Config.SetFilterable(false)
	f.Config.Custom = map[string]any{"wrapText": true, "cellOptions": map[string]any{"type": "auto", "wrapText": true}, "inspect": true}
	return f
}

func explain(err error) (backend.Status, string) {
	var request requestError
	var unread unreadError
	var outdated outdatedError
	var reading *bos.Error
	switch {
	case errors.As(err, &unread):
		status, _ := explain(unread.cause)
		return status, unread.Error()
	case errors.As(err, &outdated):
		status, _ := explain(outdated.cause)
		return status, outdated.Error()
	case errors.As(err, &request):
		return backend.StatusBadRequest, request.text
	case errors.As(err, &reading):
		switch reading.Reason {
		case bos.NotFound:
			return backend.StatusNotFound, "BOS does not have what was asked for: " + reading.Error()
		case bos.Unauthorized:
			status := backend.StatusUnauthorized
			if reading.Status == http.StatusForbidden {
				status = backend.StatusForbidden
			}
			return status, "BOS refuses the credentials: check the token or the OAuth2 client in the datasource's settings: " + reading.Error()
		case bos.Malformed:
			if reading.Status == http.StatusBadRequest {
				return backend.StatusBadGateway, "Check the tenant in the datasource's settings: " + reading.Error()
			}
			if reading.Unusable() {
				return backend.StatusBadGateway, "BOS gives an answer that cannot be used: try again in a moment: " + reading.Error()
			}
			return backend.StatusBadGateway, "What answers is not BOS: check the URL in the datasource's settings: " + reading.Error()
		default:
			if reading.Timeout() {
				return backend.StatusTimeout, "BOS does not answer in time: try again, and check whether it holds too many sessions: " + reading.Error()
			}
			if reading.Status != 0 {
				return backend.StatusBadGateway, "BOS is overloaded or down: try again later, and check its log if that does not help: " + reading.Error()
			}
			return backend.StatusBadGateway, "BOS cannot be reached: check that it runs and that the URL in the datasource's settings is right: " + reading.Error()
		}
	case isCounted(err), errors.Is(err, errRecounted):
		return backend.StatusNotFound, err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return backend.StatusTimeout, "BOS is still being read: try again in a moment"
	case errors.Is(err, context.Canceled):
		return backend.StatusTimeout, "the query was canceled: run it again"
	default:
		return backend.StatusInternal, "the BOS datasource failed, please report it: " + err.Error()
	}
}
