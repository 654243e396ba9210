package collectors

import "github.com/bos-exporter/bos-exporter/internal/bos"

// metadataMetrics are the five metrics that sessions, boot sets and phases share. A
// value that BOS omits has no series.
type metadataMetrics struct {
	inProgress, complete, errorCount, startTime, stopTime *Metric
}

// newMetadataMetrics describes them for one kind of object, named in the singular and
// the plural. The notes complete the help texts of its error count and its start time.
func newMetadataMetrics(prefix, object, objects, countNote, startNote string, labels ...string) metadataMetrics {
	const caveat = " The meaning differs between BOS releases: see bos_session_state."
	return metadataMetrics{
		inProgress: gauge(prefix+"_in_progress",
			"Whether BOS reports the "+object+" as in progress (1) or not (0)."+caveat, labels...),
		complete: gauge(prefix+"_complete",
			"Whether BOS reports the "+object+" as complete (1) or not (0)."+caveat, labels...),
		errorCount: gauge(prefix+"_error_count",
			"Error count that BOS reports for the "+object+": "+countNote, labels...),
		startTime: gauge(prefix+"_start_time_seconds",
			"Start time of the "+object+" as a Unix timestamp in seconds, by the clock of BOS."+startNote, labels...),
		stopTime: gauge(prefix+"_stop_time_seconds",
			"Stop time of the "+object+" as a Unix timestamp in seconds, by the clock of BOS. BOS omits it for many "+objects+" that have ended.", labels...),
	}
}

func (m metadataMetrics) all() []*Metric {
	return []*Metric{m.inProgress, m.complete, m.errorCount, m.startTime, m.stopTime}
}

func (m metadataMetrics) add(out *family, d *bos.Metadata, labels ...string) {
	if d.InProgress.Present {
		out.add(m.inProgress, boolValue(d.InProgress.Value), labels...)
	}
	if d.Complete.Present {
		out.add(m.complete, boolValue(d.Complete.Value), labels...)
	}
	if d.ErrorCount.Present {
		out.add(m.errorCount, float64(d.ErrorCount.Value), labels...)
	}
	if !d.StartTime.IsZero() {
		out.add(m.startTime, seconds(d.StartTime), labels...)
	}
	if !d.StopTime.IsZero() {
		out.add(m.stopTime, seconds(d.StopTime), labels...)
	}
}
