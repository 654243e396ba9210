// Package house checks rules for the whole repository.
package house

import (
	"encoding/json"
	"os/exec"
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
	"datasource":             {"internal/inventory", "internal/bosclient", "internal/bos"},
	"exporter":               {"collectors", "internal/inventory", "internal/bosclient", "internal/bossim", "internal/bos"},
	"dashboards":             {"datasource", "exporter", "collectors", "internal/bos"}, // only in tests
	"collectors":             {"internal/inventory", "internal/bosclient", "internal/bos"},
	"internal/inventory":     {"internal/bosclient", "internal/bos"},
	"internal/bosclient":     {"internal/bos"},
	"internal/bossim":        {"internal/bos"},
	"internal/bos":           {},
	"internal/programs":      {}, // only for tests
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
		// All tests may use the simulator, the programs and the package that they test.
		for _, wrong := range wrongImports(p.ImportPath, slices.Concat(p.TestImports, p.XTestImports), "internal/bossim", "internal/programs", strings.TrimPrefix(p.ImportPath, module)) {
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
