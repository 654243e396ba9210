// Command plugin packs the folder of a Grafana plugin into a zip, with the file
// modes that Grafana wants: backends can be executed, nothing else can.
package main

import (
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: plugin FOLDER ZIP")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "plugin:", err)
		os.Exit(1)
	}
}

// pack writes the folder, and nothing beside it, into the archive.
func pack(folder, archive string) (err error) {
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	z := zip.NewWriter(out)
	defer func() {
		for _, c := range []io.Closer{z, out} {
			if closeErr := c.Close(); err == nil {
				err = closeErr
			}
		}
	}()
	parent := filepath.Dir(filepath.Clean(folder))
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(parent, path)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: filepath.ToSlash(name), Method: zip.Deflate}
		header.SetMode(0o644)
		if strings.HasPrefix(d.Name(), "gpx_") {
			header.SetMode(0o755)
		}
		w, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
}
