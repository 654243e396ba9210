// Package house checks rules for the whole repository.
package house

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bos-exporter/bos-exporter/"

// mayImport lists which of our packages each package may import. Imports point one way,
// from the programs down to the domain.
var mayImport = map[string][]string{
	"cmd/bos_exporter":       {"exporter", "collectors"},
	"cmd/gpx_bos_datasource": {"datasource"},
	"datasource":             {"internal/bosapi", "internal/inventory", "internal/bosclient", "internal/bos"},
	"exporter":               {"collectors", "internal/bosapi", "internal/inventory", "internal/bosclient", "internal/bossim", "internal/bos"},
	"dashboards":             {"datasource", "exporter", "collectors", "internal/bos"}, // only in tests
	"collectors":             {"internal/inventory", "internal/bos"},
	"internal/bosapi":        {"internal/bosv1", "internal/bosv2", "internal/inventory", "internal/bosclient", "internal/bos"},
	"internal/bosv2":         {"internal/inventory", "internal/bosclient", "internal/bos"},
	"internal/bosv1":         {"internal/inventory", "internal/bosclient", "internal/bos"},
	"internal/inventory":     {"internal/bos"},
	"internal/bosclient":     {"internal/bos"},
	"internal/bossim":        {"internal/bos"},
	"internal/bos":           {},
	"internal/inprocess":     {},                  // only for tests
	"internal/programs":      {"internal/bossim"}, // only for tests
	"internal/faults":        {"internal/bos"},    // only in tests
}

// testsMayImport lists what tests of a package may import besides: the inventory is tested
// through its adapters, each of them and all together.
var testsMayImport = map[string][]string{
	"internal/inventory": {"internal/bosapi", "internal/bosv1", "internal/bosv2", "internal/bosclient"},
}

func TestImportsPointOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := 0
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages++
		for _, wrong := range wrongImports(p.ImportPath, p.Imports) {
			t.Error(wrong)
		}
		// All tests may use the simulator, a transport to it, the programs and the package that they test.
		name := strings.TrimPrefix(p.ImportPath, module)
		except := append([]string{"internal/bossim", "internal/inprocess", "internal/programs", name}, testsMayImport[name]...)
		for _, wrong := range wrongImports(p.ImportPath, slices.Concat(p.TestImports, p.XTestImports), except...) {
			t.Error("a test of " + wrong)
		}
	}
	if packages == 0 {
		t.Error("go list returned no packages")
	}
}

// wrongImports returns which imports of a package break the rules, apart from the
// exceptions.
func wrongImports(path string, imports []string, except ...string) (wrong []string) {
	name, ours := strings.CutPrefix(path, module)
	if !ours {
		return nil // this package, which contains only tests
	}
	allowed, known := mayImport[name]
	if !known {
		return []string{name + " has no rule: add it to mayImport"}
	}
	for _, i := range imports {
		target, ours := strings.CutPrefix(i, module)
		if ours && !slices.Contains(allowed, target) && !slices.Contains(except, target) {
			wrong = append(wrong, name+" must not import "+target)
		}
	}
	return wrong
}

func TestWrongImportsAreFound(t *testing.T) {
	for _, tt := range []struct{ name, path, imports string }{
		{"the domain imports the client", "internal/bos", "internal/bosclient"},
		{"the simulator imports the client", "internal/bossim", "internal/bosclient"},
		{"the client imports the inventory", "internal/bosclient", "internal/inventory"},
		{"the collectors import the exporter", "collectors", "exporter"},
		{"a package has no rule", "nowhere", "fmt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if len(wrongImports(module+tt.path, []string{"fmt", module + tt.imports})) == 0 {
				t.Errorf("%s may import %s", tt.path, tt.imports)
			}
		})
	}
}

// A pattern that matches no test passes, so a test that was renamed would no longer be
// run, and nothing would say so.
func TestMakefileNamesTestsThatExist(t *testing.T) {
	makefile := read(t, "Makefile")
	runs := regexp.MustCompile(`go test .*-run '?(\w+)'? (\./\S+)`).FindAllStringSubmatch(makefile, -1)
	if len(runs) == 0 {
		t.Error("the Makefile runs no test by its name")
	}
	for _, run := range runs {
		name, folder := run[1], run[2]
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool { return strings.Contains(read(t, file), "\nfunc "+name+"(") }) {
			t.Errorf("the Makefile runs %s of %s, which has no such test", name, folder)
		}
	}
}

// Files behind a build tag are neither linted nor run unless the tag is given.
func TestBuildTagsAreLintedAndRun(t *testing.T) {
	makefile, linter := read(t, "Makefile"), read(t, ".golangci.yml")
	tags := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "node_modules" {
			return cmp.Or(err, fs.SkipDir)
		}
		if strings.HasSuffix(path, "_test.go") {
			if line := buildTag.FindStringSubmatch(read(t, path)); line != nil {
				tags[line[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tags) == 0 {
		t.Error("no build tag was seen")
	}
	linted := regexp.MustCompile(`build-tags: \[(.*)\]`).FindStringSubmatch(linter)
	if linted == nil {
		t.Fatal(".golangci.yml has no build-tags")
	}
	for tag := range tags {
		if !slices.Contains(strings.Split(linted[1], ", "), tag) {
			t.Errorf("files with the build tag %s are not linted: add it to build-tags in .golangci.yml", tag)
		}
		if !strings.Contains(makefile, "-tags "+tag+" ") {
			t.Errorf("tests with the build tag %s are not run: the Makefile has no go test -tags %s", tag, tag)
		}
	}
}

var buildTag = regexp.MustCompile(`(?m)^//go:build (\w+)$`)

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
