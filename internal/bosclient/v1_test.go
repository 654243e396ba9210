package bosclient

import (
	"strings"
	"testing"
)

// A fragment with a status of 200 is not taken for a boot set without phases, nor for
// a session of which nothing is known.
func TestFragmentIsMalformed(t *testing.T) {
	bootSet := func(c *Client) error {
		_, err := c.BootSet(t.Context(), "x", "computes", recorder())
		return err
	}
	description := func(c *Client) error {
		_, err := c.Session(t.Context(), "x")
		return err
	}
	for _, tt := range []struct {
		name, body string
		read       func(*Client) error
		want       string
	}{
		{"boot set: an id", `{"id":"x"}`, bootSet, "no phases"},
		{"boot set: a name", `{"name":"Not Found"}`, bootSet, "no phases"},
		{"boot set: metadata alone", `{"name":"computes","metadata":{"complete":true}}`, bootSet, "no phases"},
		{"boot set: null for phases", `{"name":"computes","session":"x","phases":null}`, bootSet, "/phases: want an array, got null"},
		{"description: nulls", `{"templateName":null,"operation":null,"job":null,"start_time":null,"stop_time":null,"complete":null,"in_progress":null,"error_count":null}`, description, "no value"},
		{"description: a job", `{"job":"x"}`, description, "no value"},
		{"description: empty strings", `{"operation":"","templateUuid":"","complete":"","start_time":""}`, description, "no value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.read(newClient(t, answer(200, "application/json", tt.body)))
			if ReasonOf(err) != Malformed || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want a malformed one with %q", err, tt.want)
			}
		})
	}
}

func TestBootSetWithoutPhasesIsEmpty(t *testing.T) {
	c := newClient(t, answer(200, "application/json", `{"name":"computes","phases":[]}`))
	if b, err := c.BootSet(t.Context(), "x", "computes", recorder()); err != nil || !b.Reported || len(b.Phases) != 0 {
		t.Errorf("an agent that finds no nodes reports a boot set without phases: %+v %v", b, err)
	}
}
