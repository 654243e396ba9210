package datasource

import (
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// table returns the frame of an answer for people. Without rows it has no columns
// either, so that panels show their text for no value.
func (v *view) table(fields ...*data.Field) data.Frames {
	if fields[0].Len() == 0 {
		return v.frame()
	}
	return v.frame(fields...)
}

// frame returns the frame of an answer.
func (v *view) frame(fields ...*data.Field) data.Frames {
	f := data.NewFrame(v.query.QueryType, fields...)
	f.Meta = &data.FrameMeta{PreferredVisualization: data.VisTypeTable}
	return data.Frames{f}
}

// truncate returns the rows that may be shown, and gives notice of those left out.
func truncate[R any](v *view, rows []R, what string) []R {
	v.noteCut(len(rows), what)
	return rows[:min(v.max, len(rows))]
}

// noteCut gives notice if not all rows are shown.
func (v *view) noteCut(total int, what string) {
	if total > v.max {
		v.cut = fmt.Sprintf("Only %d of %d %s fit into the answer", v.max, total, what)
		v.warn("%s: narrow the query with filters, or raise its limit or maxRows in the datasource's settings.", v.cut)
	}
}

// age writes how old something is, to the second below a minute and to the minute
// above.
func age(d time.Duration) string {
	if d < time.Minute {
		return d.Truncate(time.Second).String()
	}
	return span(d.Round(time.Minute))
}

// span writes a duration as people do: 7 days, 36h or 5m.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
