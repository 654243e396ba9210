package main

import (
	"bytes"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const columns = 2

// drawGrowth draws the panels of growth as an SVG. Both axes are logarithmic: what grows in
// proportion is a straight line that rises as fast as it goes to the right.
func drawGrowth(all results) ([]byte, error) {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	rows := (len(growth) + columns - 1) / columns
	plots := make([][]*plot.Plot, rows)
	for i := range plots {
		plots[i] = make([]*plot.Plot, columns)
	}
	for i, p := range growth {
		drawn, err := p.draw(all)
		if err != nil {
			return nil, err
		}
		plots[i/columns][i%columns] = drawn
	}
	svg := vgsvg.New(24*vg.Centimeter, vg.Length(rows)*9*vg.Centimeter)
	canvas := draw.New(svg)
	canvas.SetColor(color.White) // it must be legible on a dark page, too
	canvas.Fill(canvas.Path())
	const gap = vg.Centimeter / 2
	tiles := draw.Tiles{Cols: columns, Rows: rows, PadX: gap, PadY: gap, PadTop: gap, PadBottom: gap, PadLeft: gap, PadRight: gap}
	for i, row := range plot.Align(plots, tiles, canvas) {
		for j, tile := range row {
			if plots[i][j] != nil {
				plots[i][j].Draw(tile)
			}
		}
	}
	var out bytes.Buffer
	_, err := svg.WriteTo(&out)
	return out.Bytes(), err
}

// draw draws the lines that were measured.
func (p panel) draw(all results) (*plot.Plot, error) {
	drawn := plot.New()
	drawn.X.Label.Text, drawn.Y.Label.Text = p.title, "ms"
	drawn.Legend.Top, drawn.Legend.Left = true, true
	for i, l := range p.lines {
		var xys plotter.XYs
		for _, point := range l.points(all, p.by) {
			xys = append(xys, plotter.XY{X: point.size, Y: point.cost / ms})
		}
		if len(xys) == 0 {
			continue
		}
		path, marks, err := plotter.NewLinePoints(xys)
		if err != nil {
			return nil, err
		}
		path.Color, marks.Color, marks.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		drawn.Add(path, marks)
		drawn.Legend.Add(l.work, path, marks)
	}
	if drawn.X.Min < drawn.X.Max { // a logarithmic axis needs a range
		drawn.Add(plotter.NewGrid())
		drawn.X.Scale, drawn.Y.Scale = plot.LogScale{}, plot.LogScale{}
		drawn.X.Tick.Marker, drawn.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
		drawn.Y.Max *= 30 // room for the legend
	}
	return drawn, nil
}
