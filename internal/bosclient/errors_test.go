package bosclient

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

func TestRetryAfterFollowsTheExplanation(t *testing.T) {
	for body, want := range map[string]string{
		"":            "GET http://bos.test/apis/bos/v1/session: status 503: BOS is unavailable: it asks to be left alone until ",
		"maintenance": "GET http://bos.test/apis/bos/v1/session: status 503: BOS is unavailable: maintenance; it asks to be left alone until ",
	} {
		_, err := ids(t.Context(), newClient(t, transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"120"}, "Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
		})))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	date := func(s string) http.Header {
		return http.Header{"Date": {"Sat, 22 Aug 2026 12:00:00 GMT"}, "Retry-After": {s}}
	}
	for _, tt := range []struct {
		name   string
		status int
		header http.Header
		want   time.Duration
	}{
		{"seconds with 429", 429, http.Header{"Retry-After": {"120"}}, 2 * time.Minute},
		{"seconds with 503", 503, http.Header{"Retry-After": {" 120 "}}, 2 * time.Minute},
		{"an hour is too long", 503, http.Header{"Retry-After": {"3600"}}, bos.MaxRetryAfter},
		{"more seconds than fit a number", 503, http.Header{"Retry-After": {"99999999999999999999999"}}, bos.MaxRetryAfter},
		{"zero", 503, http.Header{"Retry-After": {"0"}}, 0},
		{"a negative number", 503, http.Header{"Retry-After": {"-5"}}, 0},
		{"a date on the server's clock", 503, date("Sat, 22 Aug 2026 12:03:00 GMT"), 3 * time.Minute},
		{"a date that has passed", 503, date("Sat, 22 Aug 2026 11:00:00 GMT"), 0},
		{"a date too far ahead", 503, date("Sun, 23 Aug 2026 12:00:00 GMT"), bos.MaxRetryAfter},
		{"nonsense", 503, http.Header{"Retry-After": {"soon"}}, 0},
		{"none", 503, nil, 0},
		{"another status", 500, http.Header{"Retry-After": {"120"}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := func() *http.Response {
				return &http.Response{StatusCode: tt.status, Header: tt.header, Body: io.NopCloser(strings.NewReader(""))}
			}
			for source, rt := range map[string]transport{
				"BOS":              func(*http.Request) (*http.Response, error) { return resp(), nil },
				"the token server": func(*http.Request) (*http.Response, error) { return nil, &oauth2.RetrieveError{Response: resp()} },
			} {
				_, err := ids(t.Context(), newClient(t, rt))
				var e *bos.Error
				if says := strings.Contains(err.Error(), "it asks to be left alone until "); says != (tt.want > 0) {
					t.Errorf("%s: %v, want until when it asks to be left alone: %t", source, err, tt.want > 0)
				}
				if !errors.As(err, &e) || e.RetryAfter != tt.want || e.Reason != bos.Unavailable {
					t.Errorf("%s: %v, after %s; want %s", source, err, e.RetryAfter, tt.want)
				}
			}
		})
	}
}
