package collectors

import "github.com/bos-exporter/bos-exporter/internal/bos"

// metadataMetrics are the five metrics that sessions, boot sets and phases have
// alike. What BOS does not say has no series.
type metadataMetrics struct {
	inProgress, complete, errorCount, startTime, stopTime *Metric
}

// newMetadataMetrics describes them for one kind of thing. The notes say what is
// particular to its error count and its start time.
func newMetadataMetrics(prefix, what, countNote, startNote string, labels ...string) metadataMetrics {
	const doubt = " Releases differ in what they mean by it: see bos_session_state."
	return metadataMetrics{
		inProgress: gauge(prefix+"_in_progress",
			"Whether BOS says that the "+what+" is in progress (1) or not (0)."+doubt, labels...),
		complete: gauge(prefix+"_complete",
			"Whether BOS says that the "+what+" is complete (1) or not (0)."+doubt, labels...),
		errorCount: gauge(prefix+"_error_count",
			"The error count that BOS gives for the "+what+": "+countNote, labels...),
		startTime: gauge(prefix+"_start_time_seconds",
			"When the "+what+" started by the clock of BOS, in seconds since 1970."+startNote, labels...),
		stopTime: gauge(prefix+"_stop_time_seconds",
			"When the "+what+" stopped by the clock of BOS, in seconds since 1970. BOS leaves it out for many that have ended.", labels...),
	}
}

func (m metadataMetrics) all() []*Metric {
	return []*Metric{m.inProgress, m.complete, m.errorCount, m.startTime, m.stopTime}
}

func (m metadataMetrics) add(out families, d *bos.Metadata, labels ...string) {
	if d.InProgress.Present {
		out.add(m.inProgress, truth(d.InProgress.Value), labels...)
	}
	if d.Complete.Present {
		out.add(m.complete, truth(d.Complete.Value), labels...)
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
