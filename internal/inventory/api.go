package inventory

import (
	"context"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// API reads the sessions of one version of the BOS API. It keeps nothing of a session:
// what it wants to know at the next reading goes into the Memo of a Reading. All errors
// but those of a context are of type *bos.Error.
type API interface {
	// Name is the value of bos.Session.API.
	Name() string
	// List returns the sessions that BOS holds; those that have ended may be left out
	// unless all of them are wanted. There is one such request at a time.
	List(ctx context.Context, all bool) (Listing, error)
	// Open returns a reader for a sweep.
	Open() Reader
	// Address returns the URL of a session, or of the list for a key without an id.
	Address(bos.Key) string
}

// Listing is a list of sessions.
type Listing struct {
	Sessions []Listed
	// Partial is set when ended sessions are left out: one that is missing need not have
	// gone.
	Partial bool
	// Absent is set if BOS does not serve the API, and so holds no sessions in it. Nobody
	// need have asked BOS.
	Absent bool
}

// Listed is a session of a list.
type Listed struct {
	Key bos.Key
	// Description is what the list tells about the session; nil where it tells keys alone.
	Description *bos.Session
}

// Reader reads the sessions that are due in a sweep. It is used concurrently, and may
// keep what several sessions need alike.
type Reader interface {
	// Describe returns a session without its boot sets. The last reading may be of
	// another session that had the same key.
	Describe(ctx context.Context, listed Listed, last Reading) (*bos.Session, error)
	// Nodes adds the boot sets to a session that Describe has returned, and has the
	// recorder take down their nodes. The node sets of the last reading are over the
	// table of the recorder.
	Nodes(ctx context.Context, s *bos.Session, last Reading, r *bos.Recorder) (Reading, error)
}

// Reading is what has been read of a session.
type Reading struct {
	// Session is never written again once it has been returned.
	Session *bos.Session
	// Missing is a part of the session that BOS says does not exist; nil if there is none.
	Missing *Missing
	// Memo is handed back at the next reading.
	Memo any
}

// Missing is a part of a session that BOS says does not exist. It is read again for a
// while before that is believed.
type Missing struct {
	Part string
	Err  error // says so
	// Expected is set if the part turns up as the session goes on, or never: it is no
	// trouble while the session is at work, nor once BOS is believed.
	Expected bool
}
