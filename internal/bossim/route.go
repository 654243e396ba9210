package bossim

import (
	"cmp"
	"net/url"
	"strings"
)

// Resource is a kind of thing that can be asked for.
type Resource int

// The resources. Everything stands for all of them, and for unknown URLs.
const (
	Everything Resource = iota
	List                // the IDs of the sessions; in v2 the sessions
	Describe            // one session
	Status              // the status of a session
	BootSet             // the status of a boot set
	Phase               // the status of a phase
	Category            // a category of a phase
	Template            // a session template
	Version             // the version of the API
	Versions            // all versions of the API
	Health
	Templates  // all session templates, of v2
	Components // the nodes, of v2
	Component  // one node, of v2
	Options    // of BOS, of v2
)

// route is what a URL asks for. Its resource is Everything if the URL is unknown.
type route struct {
	resource Resource
	gateway  bool // whether the URL goes through the API gateway
	v1, v2   bool // which API it is of; neither for what is above both

	session, bootSet, phase, category string
	template                          string
	component                         string
}

// gatewayPrefix is where the API gateway serves BOS; it takes the prefix off.
const gatewayPrefix = "/apis/bos"

// routeOf reads a URL. The components of a session are below it, though their path does
// not say so.
func routeOf(u *url.URL) route {
	to := routeOfPath(u.EscapedPath())
	if to.resource == Components {
		query := u.Query()
		to.session = cmp.Or(query.Get("session"), query.Get("staged_session"))
	}
	return to
}

// routeOfPath reads a path as it came over the wire: a boot set name may hold an
// escaped slash.
func routeOfPath(escapedPath string) route {
	var to route
	path, ok := strings.CutPrefix(escapedPath, gatewayPrefix)
	to.gateway = ok && (path == "" || path[0] == '/')
	if !to.gateway {
		path = escapedPath
	}
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		to.resource = Versions
		return to
	}
	names := strings.Split(path, "/")
	for i, name := range names {
		name, err := url.PathUnescape(name)
		if err != nil || name == "" {
			return to
		}
		names[i] = name
	}
	if len(names) == 1 && names[0] == "healthz" {
		to.resource = Health
		return to
	}
	to.v1, to.v2 = names[0] == "v1", names[0] == "v2"
	names = names[1:]
	if to.v2 {
		to.readV2(names)
		return to
	}
	if !to.v1 {
		return to
	}
	n := len(names)
	switch {
	case n == 0, n == 1 && names[0] == "version":
		to.resource = Version
	case n == 1 && names[0] == "healthz":
		to.resource = Health
	case n == 2 && names[0] == "sessiontemplate":
		to.resource, to.template = Template, names[1]
	case names[0] != "session", n > 6, n > 2 && names[2] != "status":
	default:
		to.resource = [...]Resource{List, Describe, Status, BootSet, Phase, Category}[n-1]
		for i, into := range []*string{1: &to.session, 3: &to.bootSet, 4: &to.phase, 5: &to.category} {
			if into != nil && i < n {
				*into = names[i]
			}
		}
	}
	return to
}

// readV2 reads the path of something in the v2 API.
func (to *route) readV2(names []string) {
	n := len(names)
	switch {
	case n == 0, n == 1 && names[0] == "version":
		to.resource = Version
	case n == 1 && names[0] == "healthz":
		to.resource = Health
	case n == 1 && names[0] == "options":
		to.resource = Options
	case n == 1 && names[0] == "sessions":
		to.resource = List
	case n == 2 && names[0] == "sessions":
		to.resource, to.session = Describe, names[1]
	case n == 3 && names[0] == "sessions" && names[2] == "status":
		to.resource, to.session = Status, names[1]
	case n == 1 && names[0] == "sessiontemplates":
		to.resource = Templates
	case n == 2 && names[0] == "sessiontemplates":
		to.resource, to.template = Template, names[1]
	case n == 1 && names[0] == "components":
		to.resource = Components
	case n == 2 && names[0] == "components":
		to.resource, to.component = Component, names[1]
	}
}
