//go:build archive

package datasource

import (
	"archive/zip"
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestArchive checks what make plugin has packed against the rules that Grafana
// and its plugin validator have.
func TestArchive(t *testing.T) {
	z, err := zip.OpenReader("../build/plugin/" + PluginID + ".zip")
	if err != nil {
		t.Fatalf("%v; run make plugin", err)
	}
	defer z.Close()
	files := make(map[string][]byte)
	for _, f := range z.File {
		name, inside := strings.CutPrefix(f.Name, PluginID+"/")
		if !inside {
			t.Errorf("%s is not in the folder of the plugin", f.Name)
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		want := fs.FileMode(0o644)
		if strings.HasPrefix(name, "gpx_") {
			want = 0o755
		}
		if f.Mode() != want {
			t.Errorf("%s has mode %o, want %o", name, f.Mode(), want)
		}
	}
	for _, name := range []string{"plugin.json", "module.js", "module.js.map", "README.md", "CHANGELOG.md", "LICENSE"} {
		if len(files[name]) == 0 {
			t.Errorf("%s is missing or empty", name)
		}
	}
	for _, name := range []string{"standalone.txt", "pid.txt", "MANIFEST.txt"} {
		if files[name] != nil {
			t.Errorf("%s must not be there", name)
		}
	}

	var p struct {
		Type, Name, ID, Executable              string
		Backend, Alerting, Annotations, Metrics bool
		Info                                    struct {
			Description, Version, Updated string
			Keywords                      []string
			Logos                         map[string]string
			Screenshots                   []struct{ Name, Path string }
			Links                         []struct{ Name, URL string }
		}
		Includes     []struct{ Type, Path string }
		Dependencies struct{ GrafanaDependency string }
	}
	if err := json.Unmarshal(files["plugin.json"], &p); err != nil {
		t.Fatal(err)
	}
	if p.Type != "datasource" || p.ID != PluginID || !regexp.MustCompile(`^[0-9a-z]+-([0-9a-z]+-)?(app|panel|datasource)$`).MatchString(p.ID) || p.Name == "" {
		t.Errorf("type %s, id %s, name %q", p.Type, p.ID, p.Name)
	}
	if !p.Backend || !p.Alerting || !p.Annotations || !p.Metrics {
		t.Errorf("plugin.json leaves out what the plugin can: %+v", p)
	}
	if _, err := time.Parse("2006-01-02", p.Info.Updated); err != nil || !regexp.MustCompile(`^\d+\.\d+\.\d+`).MatchString(p.Info.Version) {
		t.Errorf("version %q, updated %q", p.Info.Version, p.Info.Updated)
	}
	if p.Info.Description == "" || len(p.Info.Keywords) == 0 || len(p.Info.Links) == 0 || p.Dependencies.GrafanaDependency != ">=9.3.0-0" {
		t.Errorf("%+v %+v", p.Info, p.Dependencies)
	}
	images := []string{p.Info.Logos["small"], p.Info.Logos["large"]}
	for _, s := range p.Info.Screenshots {
		images = append(images, s.Path)
	}
	if len(p.Info.Screenshots) == 0 {
		t.Error("no screenshot")
	}
	for _, image := range images {
		if image == "" || path.Clean(image) != image || path.IsAbs(image) || strings.HasPrefix(image, "..") || len(files[image]) == 0 {
			t.Errorf("the image %q is not there", image)
		}
		if svg := string(files[image]); strings.HasSuffix(image, ".svg") && regexp.MustCompile(`<script|<foreignObject|\son\w+=|href=`).MatchString(svg) {
			t.Errorf("%s is not a safe SVG", image)
		}
	}

	if len(p.Includes) == 0 {
		t.Error("no dashboard is included")
	}
	for _, i := range p.Includes {
		if i.Type != "dashboard" || !json.Valid(files[i.Path]) {
			t.Errorf("%s %s is not there", i.Type, i.Path)
		}
	}

	for _, arch := range []string{"amd64", "arm64"} {
		name := p.Executable + "_linux_" + arch
		info, err := buildinfo.Read(bytes.NewReader(files[name]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		goarch := ""
		for _, s := range info.Settings {
			if s.Key == "GOARCH" {
				goarch = s.Value
			}
		}
		if goarch != arch || !strings.HasSuffix(info.Path, "/cmd/gpx_bos_datasource") {
			t.Errorf("%s is %s for %s", name, info.Path, goarch)
		}
	}

	module := string(files["module.js"])
	if len(module) > 20_000 || !strings.Contains(module[:min(200, len(module))], "define(") {
		t.Errorf("module.js has %d bytes and begins with %.60q", len(module), module)
	}
	if strings.Contains(module, "super(...arguments)") {
		t.Error("a class of module.js has no parameters: Grafana 9 takes it for an Angular plugin")
	}
	for _, bad := range []string{"jsx-runtime", "defaultProps", "findDOMNode", "@grafana/schema"} {
		if strings.Contains(module, bad) {
			t.Errorf("module.js holds %s", bad)
		}
	}
	var m struct{ SourcesContent []string }
	if err := json.Unmarshal(files["module.js.map"], &m); err != nil || len(m.SourcesContent) == 0 {
		t.Errorf("module.js.map has no sources: %v", err)
	}
	if license := string(files["LICENSE"]); !strings.Contains(license, "Apache License") || strings.Contains(license, "{yyyy}") {
		t.Error("LICENSE is not the text of the license")
	}
	if readme := strings.ToLower(string(files["README.md"])); strings.Contains(readme, "<!--") || strings.Contains(readme, "yarn") || strings.Contains(readme, "nodejs") {
		t.Error("README.md holds comments or jargon")
	}
}
