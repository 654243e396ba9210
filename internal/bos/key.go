package bos

import (
	"cmp"
	"net/url"
)

// Key tells a session from all others: two tenants, and both APIs, may have sessions of
// the same name.
type Key struct{ API, Tenant, ID string }

// Key returns the key of the session.
func (s *Session) Key() Key { return Key{s.API, s.Tenant, s.ID} }

// String returns the key as text, different for different keys.
func (k Key) String() string {
	return k.API + "/" + url.PathEscape(k.Tenant) + "/" + url.PathEscape(k.ID)
}

// Compare orders keys by session, then by tenant and API.
func (k Key) Compare(l Key) int {
	return cmp.Or(cmp.Compare(k.ID, l.ID), cmp.Compare(k.Tenant, l.Tenant), cmp.Compare(k.API, l.API))
}
