// Package house checks rules that hold for the whole repository.
package house

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bos-exporter/bos-exporter/"

// mayImport says which of our packages a package may import. Imports point one
// way: from the programs down to the domain.
var mayImport = map[string][]string{
	"cmd/bos_exporter":       {"exporter", "collectors"},
	"cmd/gpx_bos_datasource": {"datasource"},
	"datasource":             {"internal/inventory", "internal/bosclient", "internal/bos"},
	"exporter":               {"collectors", "internal/inventory", "internal/bosclient", "internal/bossim", "internal/bos"},
	"dashboards":             {"datasource", "exporter", "collectors", "internal/bos"}, // in tests alone
	"collectors":             {"internal/inventory", "internal/bosclient", "internal/bos"},
	"internal/inventory":     {"internal/bosclient", "internal/bos"},
	"internal/bosclient":     {"internal/bos"},
	"internal/bossim":        {"internal/bos"},
	"internal/bos":           {},
	"internal/programs":      {}, // for tests
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
		// Tests of all may use the simulator, programs, and what they test.
		for _, wrong := range wrongImports(p.ImportPath, slices.Concat(p.TestImports, p.XTestImports), "internal/bossim", "internal/programs", strings.TrimPrefix(p.ImportPath, module)) {
			t.Error("a test of " + wrong)
		}
	}
	if packages == 0 {
		t.Error("no package was seen")
	}
}

// wrongImports says which imports of a package break the rules, to which there may
// be exceptions.
func wrongImports(path string, imports []string, except ...string) (wrong []string) {
	name, ours := strings.CutPrefix(path, module)
	if !ours {
		return nil // this package, which holds only tests
	}
	allowed, known := mayImport[name]
	if !known {
		return []string{name + " has no rule: add it to mayImport in its place"}
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
	for _, c := range []struct{ path, imports string }{
		{"internal/bos", "internal/bosclient"},
		{"internal/bossim", "internal/bosclient"},
		{"internal/bosclient", "internal/inventory"},
		{"collectors", "exporter"},
		{"nowhere", "fmt"},
	} {
		if len(wrongImports(module+c.path, []string{"fmt", module + c.imports})) == 0 {
			t.Errorf("%s importing %s is not found", c.path, c.imports)
		}
	}
}
