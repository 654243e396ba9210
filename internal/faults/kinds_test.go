package faults

import (
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// seenAs is the reason that the exporter gives for what a fault keeps from it; "" for
// faults that leave an answer which can be read whole.
var seenAs = map[bossim.Fault]bosclient.Reason{
	bossim.Unauthorized: bosclient.Unauthorized,
	bossim.Forbidden:    bosclient.Unauthorized,

	bossim.NotFound: bosclient.NotFound,
	bossim.Gone:     bosclient.NotFound,

	bossim.Throttled:       bosclient.Unavailable,
	bossim.ServerError:     bosclient.Unavailable,
	bossim.Unavailable:     bosclient.Unavailable,
	bossim.Busy:            bosclient.Unavailable,
	bossim.GatewayTimeout:  bosclient.Unavailable,
	bossim.Reset:           bosclient.Unavailable,
	bossim.Hang:            bosclient.Unavailable,
	bossim.DeadConnections: bosclient.Unavailable,
	bossim.Crawl:           bosclient.Unavailable,
	bossim.Truncated:       bosclient.Unavailable,

	bossim.Redirect:   bosclient.Malformed,
	bossim.Empty:      bosclient.Malformed,
	bossim.NotJSON:    bosclient.Malformed,
	bossim.Garbage:    bosclient.Malformed,
	bossim.WrongTypes: bosclient.Malformed,
	bossim.Fragment:   bosclient.Malformed,
	bossim.Message:    bosclient.Malformed,
	bossim.JobOnly:    bosclient.Malformed,
	bossim.Nulls:      bosclient.Malformed,
	bossim.NullPhases: bosclient.Malformed,
	bossim.NoPhases:   bosclient.Malformed,
	bossim.Undated:    bosclient.Malformed,
	bossim.Bulky:      bosclient.Malformed,
	bossim.LongString: bosclient.Malformed,
	bossim.Huge:       bosclient.Malformed,

	bossim.OddNodes:      "",
	bossim.LoneSurrogate: "",
	bossim.InvalidUTF8:   "",
	bossim.ByteOrderMark: "",
	bossim.AbsurdDate:    "",
	bossim.NoDate:        "",
	bossim.Orphans:       "",
	bossim.Repeated:      "",
}

func harmless(f bossim.Fault) bool { return seenAs[f] == "" }
