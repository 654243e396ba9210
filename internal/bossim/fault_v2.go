package bossim

import (
	"net/http"
	"slices"
	"strings"
)

// V2Only reports whether the fault befalls only requests to v2.
func (f Fault) V2Only() bool {
	return slices.Contains([]Fault{IgnoresPaging, NoComponents, LateStatus, WipedErrors, CutLists, MissingKeys, TAPMSDown}, f)
}

// bend answers truthfully, but for what the fault changes on the way.
func (x *exchange) bend() { x.answer().send(x.w) }

func (x *exchange) tenanted() bool { return x.r.Header.Get(tenantHeader) != "" }

func (x *exchange) listNone() {
	if x.tenanted() {
		x.truth().send(x.w)
		return
	}
	document(http.StatusOK, []any{}).send(x.w)
}

func (x *exchange) loseTenants() {
	if x.tenanted() {
		internalError().send(x.w)
		return
	}
	x.answer().send(x.w)
}

func (x *exchange) loseDatabase() {
	switch x.to.resource {
	case Health:
		document(http.StatusOK, map[string]string{"apiStatus": "ok", "dbStatus": "not_available"}).send(x.w)
	default:
		problem(http.StatusServiceUnavailable, "Unable to connect to the Redis database",
			"Error 111 connecting to cray-bos-db:6379. Connection refused.").send(x.w)
	}
}

// kill sends half of the response, without announcing a length.
func (x *exchange) kill() {
	a := x.truth()
	if a.hangUp {
		a.send(x.w)
	}
	x.w.Header().Set("Content-Type", a.contentType)
	x.w.WriteHeader(a.code)
	x.write(a.body[:len(a.body)/2])
	panic(http.ErrAbortHandler)
}

// each changes an object, or every object in a list.
func each(v any, change func(members map[string]any)) any {
	switch v := v.(type) {
	case map[string]any:
		change(v)
	case []any:
		for _, item := range v {
			if members, ok := item.(map[string]any); ok {
				change(members)
			}
		}
	}
	return v
}

func wipeErrors(v any, _ route) any {
	return each(v, func(c map[string]any) { c["error"] = "" })
}

func cutLists(status map[string]any) {
	summary, _ := status["error_summary"].(map[string]any)
	for _, entry := range summary {
		e := entry.(map[string]any)
		first, _, _ := strings.Cut(e["list"].(string), ",")
		e["list"] = strings.TrimSuffix(first, "...") + "..."
	}
}

func dropKeys(v any, to route) any {
	keep := []string{"id", "name"}
	if to.resource == Status {
		keep = []string{"timing"}
	}
	return each(v, func(members map[string]any) {
		for key := range members {
			if !slices.Contains(keep, key) {
				delete(members, key)
			}
		}
	})
}

// undate removes the times from the description of a session.
func undate(d map[string]any) {
	if status, v2 := d["status"].(map[string]any); v2 {
		status["start_time"], status["end_time"] = nil, nil
		return
	}
	d["start_time"], d["stop_time"] = "", ""
}

// oddNames gives odd names to the first nodes of a boot set or of a list of components.
func oddNames(v any, _ route) any {
	switch v := v.(type) {
	case map[string]any:
		renameNodes(v)
	case []any:
		if len(v) < len(OddNames) {
			break
		}
		for i, name := range OddNames {
			v[i].(map[string]any)["id"] = name
		}
	}
	return v
}
