package faults

import (
	"slices"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bossim"
)

// allFaults lists those that can befall v1, then those that were added for v2.
var allFaults = slices.Concat(bossim.Faults, bossim.V2Faults)

// seenAs is the reason that the exporter gives for what a fault keeps from it; "" for
// faults that leave an answer which can be read whole.
var seenAs = map[bossim.Fault]bos.Reason{
	bossim.Unauthorized: bos.Unauthorized,
	bossim.Forbidden:    bos.Unauthorized,

	bossim.NotFound: bos.NotFound,
	bossim.Gone:     bos.NotFound,

	bossim.Throttled:       bos.Unavailable,
	bossim.ServerError:     bos.Unavailable,
	bossim.Unavailable:     bos.Unavailable,
	bossim.Busy:            bos.Unavailable,
	bossim.GatewayTimeout:  bos.Unavailable,
	bossim.Reset:           bos.Unavailable,
	bossim.Hang:            bos.Unavailable,
	bossim.DeadConnections: bos.Unavailable,
	bossim.Crawl:           bos.Unavailable,
	bossim.Truncated:       bos.Unavailable,

	bossim.Redirect:   bos.Malformed,
	bossim.Empty:      bos.Malformed,
	bossim.NotJSON:    bos.Malformed,
	bossim.Garbage:    bos.Malformed,
	bossim.WrongTypes: bos.Malformed,
	bossim.Fragment:   bos.Malformed,
	bossim.Message:    bos.Malformed,
	bossim.JobOnly:    bos.Malformed,
	bossim.Nulls:      bos.Malformed,
	bossim.NullPhases: bos.Malformed,
	bossim.NoPhases:   bos.Malformed,
	bossim.Undated:    bos.Malformed,
	bossim.Bulky:      bos.Malformed,
	bossim.LongString: bos.Malformed,
	bossim.Huge:       bos.Malformed,

	bossim.OddNodes:      "",
	bossim.LoneSurrogate: "",
	bossim.InvalidUTF8:   "",
	bossim.ByteOrderMark: "",
	bossim.AbsurdDate:    "",
	bossim.NoDate:        "",
	bossim.Orphans:       "",
	bossim.Repeated:      "",

	bossim.IgnoresPaging: "",
	bossim.NoComponents:  bos.Malformed,
	bossim.LateStatus:    "",
	bossim.WipedErrors:   "",
	bossim.CutLists:      "",
	bossim.MissingKeys:   bos.Malformed,
	bossim.Killed:        bos.Unavailable,
	bossim.TAPMSDown:     bos.Unavailable,
	bossim.RedisDown:     bos.Unavailable,
	bossim.NeitherAPI:    bos.NotFound,
}
